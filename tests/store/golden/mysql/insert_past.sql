INSERT INTO jobreg_runs (run_id, job_name, params, queue, priority, timeout, max_attempts,
    max_crashes, tags, retried_from, unique_key, created_at, scheduled_at, state, reason, result,
    error_type, error_message, error_traceback, attempt, tries, crashes, finished_at)
VALUES (:run_id, :job_name, :params, :queue, :priority, :timeout, :max_attempts, :max_crashes,
    :tags, :retried_from, :unique_key, :created_at, :scheduled_at, :state, :reason, :result,
    :error_type, :error_message, :error_traceback, :attempt, :tries, :crashes, :finished_at);
