INSERT INTO jobreg_runs (run_id, job_name, params, queue, priority, timeout, max_attempts,
    max_crashes, max_age, tags, retried_from, unique_key, created_at, scheduled_at, attempt, tries,
    crashes)
VALUES (:run_id::VARCHAR, :job_name::VARCHAR, :params::VARCHAR, :queue::VARCHAR,
    :priority::SMALLINT, :timeout, :max_attempts::INTEGER, :max_crashes::INTEGER, :max_age,
    :tags::VARCHAR, :retried_from::VARCHAR, :unique_key::VARCHAR, :created_at::BIGINT,
    :scheduled_at::BIGINT, :attempt::INTEGER, :tries::INTEGER, :crashes::INTEGER);
