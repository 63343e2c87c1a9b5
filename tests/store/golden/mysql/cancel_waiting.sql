UPDATE jobreg_runs
SET queue=:to_queue, priority=:to_priority, state='cancelled', reason=:to_reason,
    attempt=:of_attempt, tries=:to_tries, crashes=:to_crashes,
    finished_at=TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)), progress=:to_progress,
    dist=:to_dist, version=:to_version
WHERE jobreg_runs.run_id = :of_run AND jobreg_runs.state IS NULL;
