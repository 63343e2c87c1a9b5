UPDATE jobreg_workers
SET state='fenced'
WHERE jobreg_workers.worker_id = :of_worker AND jobreg_workers.beat = :seen_beat AND
    jobreg_workers.state = 'live';
