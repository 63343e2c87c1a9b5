-- claimed=False
INSERT INTO jobreg_live (run_id, job_name, state, queue, priority, queue_by_default,
    priority_by_default, due_at, attempt, tries, crashes, max_attempts, max_crashes,
    cancel_requested, unique_key)
VALUES (:run_id::VARCHAR, :job_name::VARCHAR, :state::VARCHAR, :queue::VARCHAR,
    :priority::SMALLINT, :queue_by_default::SMALLINT, :priority_by_default::SMALLINT,
    :due_at::BIGINT, :attempt::INTEGER, :tries::INTEGER, :crashes::INTEGER, :max_attempts::INTEGER,
    :max_crashes::INTEGER, :cancel_requested::SMALLINT, :unique_key::VARCHAR);

-- claimed=True
INSERT INTO jobreg_live (run_id, job_name, state, queue, priority, queue_by_default,
    priority_by_default, due_at, attempt, tries, crashes, max_attempts, max_crashes, try_limit,
    crash_limit, worker_id, dist, version, started_at, cancel_requested, unique_key)
VALUES (:run_id::VARCHAR, :job_name::VARCHAR, :state::VARCHAR, :queue::VARCHAR,
    :priority::SMALLINT, :queue_by_default::SMALLINT, :priority_by_default::SMALLINT,
    :due_at::BIGINT, :attempt::INTEGER, :tries::INTEGER, :crashes::INTEGER, :max_attempts::INTEGER,
    :max_crashes::INTEGER, :try_limit::INTEGER, :crash_limit::INTEGER, :worker_id::VARCHAR,
    :dist::VARCHAR, :version::VARCHAR, :started_at::BIGINT, :cancel_requested::SMALLINT,
    :unique_key::VARCHAR);
