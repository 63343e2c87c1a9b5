SELECT count(*) AS count_1
FROM jobreg_runs
WHERE jobreg_runs.created_at < CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) -
    :age::BIGINT AND jobreg_runs.state = :state::VARCHAR AND jobreg_runs.finished_at <
    CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) - :age::BIGINT;
