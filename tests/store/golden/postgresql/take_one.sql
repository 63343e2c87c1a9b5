UPDATE jobreg_live
SET state='running'::VARCHAR, attempt=(jobreg_live.attempt + 1::INTEGER),
    try_limit=coalesce(jobreg_live.max_attempts, :tries_allowed),
    crash_limit=coalesce(jobreg_live.max_crashes, :crashes_allowed), worker_id=:of_worker::VARCHAR,
    dist=:of_dist::VARCHAR, version=:of_version::VARCHAR, started_at=CAST(extract(epoch FROM
    clock_timestamp()) * 1000000 AS BIGINT)
WHERE jobreg_live.run_id = :of_run::VARCHAR AND jobreg_live.state IN (['queued', 'scheduled'], ...);
