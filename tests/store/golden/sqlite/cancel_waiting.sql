UPDATE jobreg_runs
SET queue=:to_queue, priority=:to_priority, state='cancelled', reason=:to_reason,
    attempt=:of_attempt, tries=:to_tries, crashes=:to_crashes,
    finished_at=(CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000),
    progress=:to_progress, dist=:to_dist, version=:to_version
WHERE jobreg_runs.run_id = :of_run AND jobreg_runs.state IS NULL;
