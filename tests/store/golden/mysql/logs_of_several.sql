-- number=2
SELECT jobreg_logs.run_id, jobreg_logs.attempt, jobreg_logs.number, jobreg_logs.at,
    jobreg_logs.body
FROM jobreg_logs
WHERE jobreg_logs.run_id = :run_0 AND (jobreg_logs.attempt > :attempt_0 OR jobreg_logs.attempt =
    :attempt_0 AND jobreg_logs.number > :number_0) OR jobreg_logs.run_id = :run_1 AND
    (jobreg_logs.attempt > :attempt_1 OR jobreg_logs.attempt = :attempt_1 AND jobreg_logs.number >
    :number_1)
ORDER BY jobreg_logs.run_id, jobreg_logs.attempt, jobreg_logs.number
LIMIT :most;
