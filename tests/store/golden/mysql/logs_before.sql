SELECT jobreg_logs.run_id, jobreg_logs.attempt, jobreg_logs.number, jobreg_logs.at,
    jobreg_logs.body
FROM jobreg_logs
WHERE jobreg_logs.run_id = :of_run AND (jobreg_logs.attempt < :attempt OR jobreg_logs.attempt =
    :attempt AND jobreg_logs.number <= :number)
ORDER BY jobreg_logs.attempt DESC, jobreg_logs.number DESC
LIMIT :most;
