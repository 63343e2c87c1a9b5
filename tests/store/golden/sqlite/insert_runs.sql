INSERT INTO jobreg_runs (run_id, job_name, params, queue, priority, timeout, max_attempts,
    max_crashes, max_age, tags, retried_from, unique_key, created_at, scheduled_at, attempt, tries,
    crashes)
VALUES (:run_id, :job_name, :params, :queue, :priority, :timeout, :max_attempts, :max_crashes,
    :max_age, :tags, :retried_from, :unique_key, :created_at, :scheduled_at, :attempt, :tries,
    :crashes);
