SELECT jobreg_live.seq, jobreg_live.run_id, jobreg_live.job_name, jobreg_live.state,
    jobreg_live.queue, jobreg_live.priority, jobreg_live.queue_by_default,
    jobreg_live.priority_by_default, jobreg_live.due_at, jobreg_live.attempt, jobreg_live.tries,
    jobreg_live.crashes, jobreg_live.max_attempts, jobreg_live.max_crashes, jobreg_live.try_limit,
    jobreg_live.crash_limit, jobreg_live.worker_id, jobreg_live.dist, jobreg_live.version,
    jobreg_live.started_at, jobreg_live.cancel_requested, jobreg_live.progress,
    jobreg_live.unique_key, jobreg_live.suspect, CAST(extract(epoch FROM clock_timestamp()) *
    1000000 AS BIGINT) AS now
FROM jobreg_live
WHERE jobreg_live.run_id IN (:run_ids, ...) AND jobreg_live.worker_id = :of_worker::VARCHAR AND
    jobreg_live.state = 'running'
ORDER BY jobreg_live.seq
FOR UPDATE;
