-- channel=None
INSERT INTO jobreg_live (run_id, job_name, state, queue, priority, queue_by_default,
    priority_by_default, due_at, attempt, tries, crashes, max_attempts, max_crashes, try_limit,
    crash_limit, worker_id, dist, version, started_at, cancel_requested, unique_key)
VALUES (:run_id::VARCHAR, :job_name::VARCHAR, CASE WHEN (:worker_id::VARCHAR IS NOT NULL) THEN
    'running'::VARCHAR WHEN ((SELECT jobreg_runs.scheduled_at
FROM jobreg_runs
WHERE jobreg_runs.run_id = :run_id::VARCHAR) > CAST(extract(epoch FROM clock_timestamp()) * 1000000
    AS BIGINT)) THEN 'scheduled'::VARCHAR ELSE 'queued'::VARCHAR END, :queue::VARCHAR,
    :priority::SMALLINT, :queue_by_default::SMALLINT, :priority_by_default::SMALLINT, (SELECT
    jobreg_runs.scheduled_at
FROM jobreg_runs
WHERE jobreg_runs.run_id = :run_id::VARCHAR), CASE WHEN (:worker_id::VARCHAR IS NOT NULL) THEN
    1::INTEGER ELSE 0::INTEGER END, 0::INTEGER, 0::INTEGER, :max_attempts::INTEGER,
    :max_crashes::INTEGER, :try_limit::INTEGER, :crash_limit::INTEGER, :worker_id::VARCHAR,
    :dist::VARCHAR, :version::VARCHAR, CASE WHEN (:worker_id::VARCHAR IS NOT NULL) THEN
    CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) ELSE NULL END, 0::SMALLINT,
    :unique_key::VARCHAR);

-- channel=jobreg
INSERT INTO jobreg_live (run_id, job_name, state, queue, priority, queue_by_default,
    priority_by_default, due_at, attempt, tries, crashes, max_attempts, max_crashes, try_limit,
    crash_limit, worker_id, dist, version, started_at, cancel_requested, unique_key)
VALUES (:run_id::VARCHAR, :job_name::VARCHAR, CASE WHEN (:worker_id::VARCHAR IS NOT NULL) THEN
    'running'::VARCHAR WHEN ((SELECT jobreg_runs.scheduled_at
FROM jobreg_runs
WHERE jobreg_runs.run_id = :run_id::VARCHAR) > CAST(extract(epoch FROM clock_timestamp()) * 1000000
    AS BIGINT)) THEN 'scheduled'::VARCHAR ELSE 'queued'::VARCHAR END, :queue::VARCHAR,
    :priority::SMALLINT, :queue_by_default::SMALLINT, :priority_by_default::SMALLINT, (SELECT
    jobreg_runs.scheduled_at
FROM jobreg_runs
WHERE jobreg_runs.run_id = :run_id::VARCHAR), CASE WHEN (:worker_id::VARCHAR IS NOT NULL) THEN
    1::INTEGER ELSE 0::INTEGER END, 0::INTEGER, 0::INTEGER, :max_attempts::INTEGER,
    :max_crashes::INTEGER, :try_limit::INTEGER, :crash_limit::INTEGER, :worker_id::VARCHAR,
    :dist::VARCHAR, :version::VARCHAR, CASE WHEN (:worker_id::VARCHAR IS NOT NULL) THEN
    CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) ELSE NULL END, 0::SMALLINT,
    :unique_key::VARCHAR) RETURNING pg_notify('jobreg'::VARCHAR, ''::VARCHAR) AS pg_notify_1;
