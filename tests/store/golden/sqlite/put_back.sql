UPDATE jobreg_live
SET state=:to_state, due_at=CASE WHEN (:delay > 0) THEN (CAST(ROUND((julianday('now') - 2440587.5)
    * 86400000.0) AS INTEGER) * 1000) + :delay ELSE jobreg_live.due_at END, tries=:to_tries,
    crashes=:to_crashes, worker_id=NULL, started_at=NULL, suspect=:to_suspect
WHERE jobreg_live.run_id = :of_run AND jobreg_live.attempt = :of_attempt AND jobreg_live.worker_id
    = :of_worker AND jobreg_live.state = 'running';
