UPDATE jobreg_workers
SET names=:to_names, beat=(jobreg_workers.beat + 1), beat_at=(CAST(ROUND((julianday('now') -
    2440587.5) * 86400000.0) AS INTEGER) * 1000), expires_at=((CAST(ROUND((julianday('now') -
    2440587.5) * 86400000.0) AS INTEGER) * 1000) + :lease_us), condition=:to_condition
WHERE jobreg_workers.worker_id = :of_worker AND jobreg_workers.state = 'live';
