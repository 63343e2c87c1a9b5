UPDATE jobreg_live
SET state='running', attempt=(jobreg_live.attempt + 1),
    try_limit=coalesce(jobreg_live.max_attempts, :tries_allowed),
    crash_limit=coalesce(jobreg_live.max_crashes, :crashes_allowed), worker_id=:of_worker,
    dist=:of_dist, version=:of_version, started_at=TIMESTAMPDIFF(MICROSECOND, '1970-01-01',
    UTC_TIMESTAMP(6))
WHERE jobreg_live.run_id = :of_run AND jobreg_live.state IN (['queued', 'scheduled'], ...);
