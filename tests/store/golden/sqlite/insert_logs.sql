INSERT INTO jobreg_logs (run_id, attempt, number, at, body) SELECT jobreg_live.run_id,
    jobreg_live.attempt, :number AS anon_1, (CAST(ROUND((julianday('now') - 2440587.5) *
    86400000.0) AS INTEGER) * 1000), :body AS anon_2
FROM jobreg_live
WHERE jobreg_live.run_id = :of_run AND jobreg_live.attempt = :of_attempt AND jobreg_live.worker_id
    = :of_worker AND jobreg_live.state = 'running' AND NOT (EXISTS (SELECT jobreg_logs.number
FROM jobreg_logs
WHERE jobreg_logs.run_id = jobreg_live.run_id AND jobreg_logs.attempt = jobreg_live.attempt AND
    jobreg_logs.number = :number));
