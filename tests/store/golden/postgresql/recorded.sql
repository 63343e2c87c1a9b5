SELECT jobreg_attempts.run_id, jobreg_attempts.attempt, jobreg_attempts.outcome
FROM jobreg_attempts
WHERE jobreg_attempts.run_id IN (:run_ids, ...) AND jobreg_attempts.worker_id = :of_worker::VARCHAR;
