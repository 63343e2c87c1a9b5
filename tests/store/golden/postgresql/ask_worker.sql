UPDATE jobreg_workers
SET asked=:to_asked::VARCHAR
WHERE jobreg_workers.worker_id = :of_worker::VARCHAR AND jobreg_workers.state = 'live'::VARCHAR;
