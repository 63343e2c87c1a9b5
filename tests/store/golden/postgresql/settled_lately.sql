SELECT *
FROM (SELECT 'succeeded'::VARCHAR AS state, count(*) AS number, CAST(extract(epoch FROM
    clock_timestamp()) * 1000000 AS BIGINT) - min(succeeded.finished_at) AS age
FROM (SELECT jobreg_runs.state AS state, jobreg_runs.finished_at AS finished_at
FROM jobreg_runs
WHERE jobreg_runs.state = 'succeeded'::VARCHAR
ORDER BY jobreg_runs.seq DESC
LIMIT :most) AS succeeded
WHERE succeeded.finished_at > CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) -
    :window::BIGINT
UNION ALL SELECT 'failed'::VARCHAR AS state, count(*) AS number, CAST(extract(epoch FROM
    clock_timestamp()) * 1000000 AS BIGINT) - min(failed.finished_at) AS age
FROM (SELECT jobreg_runs.state AS state, jobreg_runs.finished_at AS finished_at
FROM jobreg_runs
WHERE jobreg_runs.state = 'failed'::VARCHAR
ORDER BY jobreg_runs.seq DESC
LIMIT :most) AS failed
WHERE failed.finished_at > CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) -
    :window::BIGINT
UNION ALL SELECT 'cancelled'::VARCHAR AS state, count(*) AS number, CAST(extract(epoch FROM
    clock_timestamp()) * 1000000 AS BIGINT) - min(cancelled.finished_at) AS age
FROM (SELECT jobreg_runs.state AS state, jobreg_runs.finished_at AS finished_at
FROM jobreg_runs
WHERE jobreg_runs.state = 'cancelled'::VARCHAR
ORDER BY jobreg_runs.seq DESC
LIMIT :most) AS cancelled
WHERE cancelled.finished_at > CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) -
    :window::BIGINT) AS anon_1;
