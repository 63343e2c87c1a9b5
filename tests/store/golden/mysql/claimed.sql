SELECT jobreg_live.seq, jobreg_live.run_id, jobreg_live.attempt, jobreg_live.tries,
    jobreg_live.crashes, jobreg_runs.params, jobreg_runs.timeout, jobreg_runs.max_attempts,
    jobreg_runs.max_crashes, jobreg_runs.max_age, TIMESTAMPDIFF(MICROSECOND, '1970-01-01',
    UTC_TIMESTAMP(6)) - jobreg_runs.scheduled_at AS age, jobreg_live.suspect
FROM jobreg_live INNER JOIN jobreg_runs ON jobreg_runs.run_id = jobreg_live.run_id
WHERE jobreg_live.seq IN (:seqs, ...) AND jobreg_live.worker_id = :of_worker AND jobreg_live.state
    = 'running';
