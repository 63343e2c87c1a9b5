SELECT jobreg_workers.worker_id
FROM jobreg_workers
WHERE jobreg_workers.worker_id = :of_worker;
