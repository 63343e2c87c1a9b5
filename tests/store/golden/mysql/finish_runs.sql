UPDATE jobreg_runs
SET queue=:to_queue, priority=:to_priority, state=:to_state, reason=:to_reason, result=:to_result,
    error_type=:to_error_type, error_message=:to_error_message,
    error_traceback=:to_error_traceback, attempt=:to_attempt, tries=:to_tries, crashes=:to_crashes,
    started_at=:to_started_at, finished_at=:to_finished_at, progress=:to_progress, dist=:to_dist,
    version=:to_version, worker_id=:to_worker_id
WHERE jobreg_runs.run_id = :of_run AND jobreg_runs.state IS NULL;
