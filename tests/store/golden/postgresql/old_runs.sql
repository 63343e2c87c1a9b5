SELECT jobreg_runs.run_id
FROM jobreg_runs
WHERE jobreg_runs.created_at < CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) -
    :age::BIGINT AND jobreg_runs.state = :state::VARCHAR AND jobreg_runs.finished_at <
    CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) - :age::BIGINT
ORDER BY jobreg_runs.created_at, jobreg_runs.seq
LIMIT :most
FOR UPDATE SKIP LOCKED;
