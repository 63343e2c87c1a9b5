-- claimed=False
INSERT INTO jobreg_live (run_id, job_name, state, queue, priority, queue_by_default,
    priority_by_default, due_at, attempt, tries, crashes, max_attempts, max_crashes,
    cancel_requested, unique_key)
VALUES (:run_id, :job_name, :state, :queue, :priority, :queue_by_default, :priority_by_default,
    :due_at, :attempt, :tries, :crashes, :max_attempts, :max_crashes, :cancel_requested,
    :unique_key);

-- claimed=True
INSERT INTO jobreg_live (run_id, job_name, state, queue, priority, queue_by_default,
    priority_by_default, due_at, attempt, tries, crashes, max_attempts, max_crashes, try_limit,
    crash_limit, worker_id, dist, version, started_at, cancel_requested, unique_key)
VALUES (:run_id, :job_name, :state, :queue, :priority, :queue_by_default, :priority_by_default,
    :due_at, :attempt, :tries, :crashes, :max_attempts, :max_crashes, :try_limit, :crash_limit,
    :worker_id, :dist, :version, :started_at, :cancel_requested, :unique_key);
