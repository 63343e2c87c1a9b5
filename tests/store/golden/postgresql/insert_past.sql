INSERT INTO jobreg_runs (run_id, job_name, params, queue, priority, timeout, max_attempts,
    max_crashes, tags, retried_from, unique_key, created_at, scheduled_at, state, reason, result,
    error_type, error_message, error_traceback, attempt, tries, crashes, finished_at)
VALUES (:run_id::VARCHAR, :job_name::VARCHAR, :params::VARCHAR, :queue::VARCHAR,
    :priority::SMALLINT, :timeout, :max_attempts::INTEGER, :max_crashes::INTEGER, :tags::VARCHAR,
    :retried_from::VARCHAR, :unique_key::VARCHAR, :created_at::BIGINT, :scheduled_at::BIGINT,
    :state::VARCHAR, :reason::VARCHAR, :result::VARCHAR, :error_type::VARCHAR,
    :error_message::VARCHAR, :error_traceback::VARCHAR, :attempt::INTEGER, :tries::INTEGER,
    :crashes::INTEGER, :finished_at::BIGINT);
