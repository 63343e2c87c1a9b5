UPDATE jobreg_live
SET state='running', attempt=(jobreg_live.attempt + 1), worker_id=:of_worker,
    started_at=(CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000)
WHERE jobreg_live.run_id = :of_run AND jobreg_live.state IN (['queued', 'scheduled'], ...);
