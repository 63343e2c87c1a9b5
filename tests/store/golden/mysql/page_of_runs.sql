-- order=seq, also=()
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
WHERE jobreg_runs.seq < :before
ORDER BY jobreg_runs.seq DESC
LIMIT :most;

-- order=seq, also=('state',)
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
WHERE jobreg_runs.seq < :before AND jobreg_runs.state = :state
ORDER BY jobreg_runs.seq DESC
LIMIT :most;

-- order=seq, also=('reason',)
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
WHERE jobreg_runs.seq < :before AND jobreg_runs.reason = :reason
ORDER BY jobreg_runs.seq DESC
LIMIT :most;

-- order=seq, also=('queue',)
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
WHERE jobreg_runs.seq < :before AND coalesce(jobreg_live.queue, jobreg_runs.queue) = :queue
ORDER BY jobreg_runs.seq DESC
LIMIT :most;

-- order=seq, also=('dist', 'version')
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
WHERE jobreg_runs.seq < :before AND coalesce(jobreg_live.dist, jobreg_runs.dist) = :dist AND
    coalesce(jobreg_live.version, jobreg_runs.version) = :version
ORDER BY jobreg_runs.seq DESC
LIMIT :most;

-- order=seq, also=('unique_key',)
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
WHERE jobreg_runs.seq < :before AND jobreg_runs.unique_key = :unique_key
ORDER BY jobreg_runs.seq DESC
LIMIT :most;

-- order=seq, also=('tag',)
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
WHERE jobreg_runs.seq < :before AND replace(jobreg_runs.tags, :tag, '') != jobreg_runs.tags
ORDER BY jobreg_runs.seq DESC
LIMIT :most;

-- order=seq, also=('since', 'until')
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
WHERE jobreg_runs.seq < :before AND jobreg_runs.created_at >= :since AND jobreg_runs.created_at <
    :until
ORDER BY jobreg_runs.seq DESC
LIMIT :most;

-- order=name, also=()
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
FROM jobreg_runs FORCE INDEX (jobreg_runs_by_job)
LEFT OUTER JOIN jobreg_live ON jobreg_live.run_id = jobreg_runs.run_id
WHERE (jobreg_runs.job_name = :job_name AND jobreg_runs.seq < :before)
ORDER BY NULL, jobreg_runs.seq DESC
LIMIT :most;

-- order=state, also=()
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
FROM jobreg_runs FORCE INDEX (jobreg_runs_by_state)
LEFT OUTER JOIN jobreg_live ON jobreg_live.run_id = jobreg_runs.run_id
WHERE (jobreg_runs.state = :state AND jobreg_runs.seq < :before)
ORDER BY NULL, jobreg_runs.seq DESC
LIMIT :most;

-- order=due, also=()
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
LEFT OUTER JOIN jobreg_live FORCE INDEX (jobreg_live_due) ON jobreg_live.run_id =
    jobreg_runs.run_id
WHERE jobreg_live.due_at <= :at AND (jobreg_live.due_at < :at OR jobreg_live.seq < :before)
ORDER BY jobreg_live.due_at DESC, jobreg_live.seq DESC
LIMIT :most;

-- order=time, also=()
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
FROM jobreg_runs FORCE INDEX (jobreg_runs_by_time)
LEFT OUTER JOIN jobreg_live ON jobreg_live.run_id = jobreg_runs.run_id
WHERE jobreg_runs.created_at <= :at AND (jobreg_runs.created_at < :at OR jobreg_runs.seq < :before)
ORDER BY jobreg_runs.created_at DESC, jobreg_runs.seq DESC
LIMIT :most;
