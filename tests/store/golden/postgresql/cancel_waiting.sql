UPDATE jobreg_runs
SET queue=:to_queue::VARCHAR, priority=:to_priority::SMALLINT, state='cancelled'::VARCHAR,
    reason=:to_reason::VARCHAR, attempt=:of_attempt::INTEGER, tries=:to_tries::INTEGER,
    crashes=:to_crashes::INTEGER, finished_at=CAST(extract(epoch FROM clock_timestamp()) * 1000000
    AS BIGINT), progress=:to_progress::VARCHAR, dist=:to_dist::VARCHAR,
    version=:to_version::VARCHAR
WHERE jobreg_runs.run_id = :of_run::VARCHAR AND jobreg_runs.state IS NULL;
