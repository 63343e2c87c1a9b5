-- number=2
SELECT jobreg_logs.run_id, jobreg_logs.attempt, jobreg_logs.number, jobreg_logs.at,
    jobreg_logs.body
FROM jobreg_logs
WHERE jobreg_logs.run_id = :run_0::VARCHAR AND (jobreg_logs.attempt > :attempt_0::INTEGER OR
    jobreg_logs.attempt = :attempt_0::INTEGER AND jobreg_logs.number > :number_0::INTEGER) OR
    jobreg_logs.run_id = :run_1::VARCHAR AND (jobreg_logs.attempt > :attempt_1::INTEGER OR
    jobreg_logs.attempt = :attempt_1::INTEGER AND jobreg_logs.number > :number_1::INTEGER)
ORDER BY jobreg_logs.run_id, jobreg_logs.attempt, jobreg_logs.number
LIMIT :most;
