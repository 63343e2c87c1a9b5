INSERT INTO jobreg_live (run_id, job_name, queue, priority, attempt, tries, crashes, max_attempts,
    max_crashes, unique_key, state, due_at, queue_by_default, priority_by_default,
    cancel_requested) SELECT jobreg_runs.run_id, jobreg_runs.job_name, jobreg_runs.queue,
    jobreg_runs.priority, jobreg_runs.attempt, jobreg_runs.tries, jobreg_runs.crashes,
    jobreg_runs.max_attempts, jobreg_runs.max_crashes, jobreg_runs.unique_key, 'queued'::VARCHAR AS
    anon_1, CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT), 0::INTEGER AS anon_2,
    0::INTEGER AS anon_3, 0::INTEGER AS anon_4
FROM jobreg_runs
WHERE jobreg_runs.run_id = :of_run::VARCHAR;
