UPDATE jobreg_live
SET state='running', attempt=(jobreg_live.attempt + 1),
    try_limit=coalesce(jobreg_live.max_attempts, :tries_allowed),
    crash_limit=coalesce(jobreg_live.max_crashes, :crashes_allowed), worker_id=:of_worker,
    dist=:of_dist, version=:of_version, started_at=(CAST(ROUND((julianday('now') - 2440587.5) *
    86400000.0) AS INTEGER) * 1000)
WHERE jobreg_live.run_id = :of_run AND jobreg_live.state IN (['queued', 'scheduled'], ...);
