UPDATE jobreg_runs
SET queue=:to_queue::VARCHAR, priority=:to_priority::SMALLINT, state=:to_state::VARCHAR,
    reason=:to_reason::VARCHAR, result=:to_result::VARCHAR, error_type=:to_error_type::VARCHAR,
    error_message=:to_error_message::VARCHAR, error_traceback=:to_error_traceback::VARCHAR,
    attempt=:to_attempt::INTEGER, tries=:to_tries::INTEGER, crashes=:to_crashes::INTEGER,
    started_at=:to_started_at::BIGINT, finished_at=:to_finished_at::BIGINT,
    progress=:to_progress::VARCHAR, dist=:to_dist::VARCHAR, version=:to_version::VARCHAR,
    worker_id=:to_worker_id::VARCHAR
WHERE jobreg_runs.run_id = :of_run::VARCHAR AND jobreg_runs.state IS NULL;
