DELETE
FROM jobreg_attempts
WHERE jobreg_attempts.run_id IN (:run_ids, ...);
