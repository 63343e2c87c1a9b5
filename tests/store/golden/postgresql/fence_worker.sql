UPDATE jobreg_workers
SET state='fenced'::VARCHAR
WHERE jobreg_workers.worker_id = :of_worker::VARCHAR AND jobreg_workers.beat = :seen_beat::BIGINT
    AND jobreg_workers.state = 'live'::VARCHAR;
