SELECT jobreg_live.seq, jobreg_live.run_id, jobreg_live.attempt, jobreg_live.tries,
    jobreg_live.crashes, jobreg_runs.params, jobreg_runs.timeout, jobreg_runs.max_attempts,
    jobreg_runs.max_crashes, jobreg_runs.max_age, (CAST(ROUND((julianday('now') - 2440587.5) *
    86400000.0) AS INTEGER) * 1000) - jobreg_runs.scheduled_at AS age, jobreg_live.suspect
FROM jobreg_live JOIN jobreg_runs ON jobreg_runs.run_id = jobreg_live.run_id
WHERE jobreg_live.seq IN (:seqs, ...) AND jobreg_live.worker_id = :of_worker AND jobreg_live.state
    = 'running';
