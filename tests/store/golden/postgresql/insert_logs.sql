INSERT INTO jobreg_logs (run_id, attempt, number, at, body) SELECT jobreg_live.run_id,
    jobreg_live.attempt, :number::INTEGER AS anon_1, CAST(extract(epoch FROM clock_timestamp()) *
    1000000 AS BIGINT), :body::VARCHAR AS anon_2
FROM jobreg_live
WHERE jobreg_live.run_id = :of_run::VARCHAR AND jobreg_live.attempt = :of_attempt::INTEGER AND
    jobreg_live.worker_id = :of_worker::VARCHAR AND jobreg_live.state = 'running' AND NOT (EXISTS
    (SELECT jobreg_logs.number
FROM jobreg_logs
WHERE jobreg_logs.run_id = jobreg_live.run_id AND jobreg_logs.attempt = jobreg_live.attempt AND
    jobreg_logs.number = :number::INTEGER));
