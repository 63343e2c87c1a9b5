SELECT jobreg_runs.seq, jobreg_runs.run_id, jobreg_runs.job_name, jobreg_runs.params,
    jobreg_runs.timeout, jobreg_runs.max_attempts, jobreg_runs.max_crashes, jobreg_runs.max_age,
    jobreg_runs.tags, jobreg_runs.retried_from, jobreg_runs.unique_key, jobreg_runs.created_at,
    jobreg_runs.scheduled_at, jobreg_runs.reason, jobreg_runs.result, jobreg_runs.error_type,
    jobreg_runs.error_message, jobreg_runs.error_traceback, jobreg_runs.finished_at,
    coalesce(jobreg_live.state, jobreg_runs.state) AS state, coalesce(jobreg_live.queue,
    jobreg_runs.queue) AS queue, coalesce(jobreg_live.priority, jobreg_runs.priority) AS priority,
    coalesce(jobreg_live.attempt, jobreg_runs.attempt) AS attempt, coalesce(jobreg_live.tries,
    jobreg_runs.tries) AS tries, coalesce(jobreg_live.crashes, jobreg_runs.crashes) AS crashes,
    coalesce(jobreg_live.started_at, jobreg_runs.started_at) AS started_at,
    coalesce(jobreg_live.progress, jobreg_runs.progress) AS progress,
    coalesce(jobreg_live.worker_id, jobreg_runs.worker_id) AS worker_id, coalesce(jobreg_live.dist,
    jobreg_runs.dist) AS dist, coalesce(jobreg_live.version, jobreg_runs.version) AS version,
    coalesce(jobreg_live.due_at, jobreg_runs.scheduled_at) AS due_at, jobreg_live.seq AS live_seq
FROM jobreg_runs
LEFT OUTER JOIN jobreg_live ON jobreg_live.run_id = jobreg_runs.run_id
WHERE jobreg_runs.run_id IN (:run_ids, ...);
