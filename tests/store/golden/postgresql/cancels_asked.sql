SELECT jobreg_live.run_id, jobreg_live.attempt
FROM jobreg_live
WHERE jobreg_live.worker_id = :of_worker::VARCHAR AND jobreg_live.state = 'running' AND
    jobreg_live.cancel_requested > 0::SMALLINT;
