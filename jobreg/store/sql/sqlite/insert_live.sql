INSERT INTO jobreg_live (run_id, job_name, state, queue, priority, queue_by_default, priority_by_default, due_at, attempt, tries, crashes, max_attempts, max_crashes, try_limit, crash_limit, worker_id, dist, version, started_at, cancel_requested, unique_key) VALUES (:run_id, :job_name, CASE WHEN (:worker_id IS NOT NULL) THEN 'running' WHEN ((SELECT jobreg_runs.scheduled_at 
FROM jobreg_runs 
WHERE jobreg_runs.run_id = :run_id) > (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000)) THEN 'scheduled' ELSE 'queued' END, :queue, :priority, :queue_by_default, :priority_by_default, (SELECT jobreg_runs.scheduled_at 
FROM jobreg_runs 
WHERE jobreg_runs.run_id = :run_id), CASE WHEN (:worker_id IS NOT NULL) THEN 1 ELSE 0 END, 0, 0, :max_attempts, :max_crashes, :try_limit, :crash_limit, :worker_id, :dist, :version, CASE WHEN (:worker_id IS NOT NULL) THEN (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000) ELSE NULL END, 0, :unique_key)
