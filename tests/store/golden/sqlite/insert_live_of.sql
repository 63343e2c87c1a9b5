INSERT INTO jobreg_live (run_id, job_name, queue, priority, max_attempts, max_crashes, unique_key,
    queue_by_default, priority_by_default, due_at, state, attempt, tries, crashes,
    cancel_requested) SELECT jobreg_runs.run_id, jobreg_runs.job_name, jobreg_runs.queue,
    jobreg_runs.priority, jobreg_runs.max_attempts, jobreg_runs.max_crashes,
    jobreg_runs.unique_key, :queue_by_default AS anon_1, :priority_by_default AS anon_2,
    jobreg_runs.scheduled_at, CASE WHEN (jobreg_runs.scheduled_at > (CAST(ROUND((julianday('now') -
    2440587.5) * 86400000.0) AS INTEGER) * 1000)) THEN 'scheduled' ELSE 'queued' END AS anon_3, 0
    AS anon_4, 0 AS anon_5, 0 AS anon_6, 0 AS anon_7
FROM jobreg_runs
WHERE jobreg_runs.run_id IN (:run_ids, ...)
ORDER BY jobreg_runs.seq;
