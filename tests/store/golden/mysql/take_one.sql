UPDATE jobreg_live
SET state='running', attempt=(jobreg_live.attempt + 1), worker_id=:of_worker,
    started_at=TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))
WHERE jobreg_live.run_id = :of_run AND jobreg_live.state IN (['queued', 'scheduled'], ...);
