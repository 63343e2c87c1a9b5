UPDATE jobreg_workers
SET asked=:to_asked
WHERE jobreg_workers.worker_id = :of_worker AND jobreg_workers.state = 'live';
