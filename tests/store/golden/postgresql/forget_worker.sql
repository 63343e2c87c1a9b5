DELETE
FROM jobreg_workers
WHERE jobreg_workers.worker_id = :of_worker::VARCHAR AND NOT (EXISTS (SELECT jobreg_live.seq
FROM jobreg_live
WHERE jobreg_live.worker_id = jobreg_workers.worker_id));
