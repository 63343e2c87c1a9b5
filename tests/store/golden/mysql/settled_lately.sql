SELECT *
FROM (SELECT 'succeeded' AS state, count(*) AS number, TIMESTAMPDIFF(MICROSECOND, '1970-01-01',
    UTC_TIMESTAMP(6)) - min(succeeded.finished_at) AS age
FROM (SELECT jobreg_runs.state AS state, jobreg_runs.finished_at AS finished_at
FROM jobreg_runs
WHERE jobreg_runs.state = 'succeeded'
ORDER BY jobreg_runs.seq DESC
LIMIT :most) AS succeeded
WHERE succeeded.finished_at > TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) - :window
UNION ALL SELECT 'failed' AS state, count(*) AS number, TIMESTAMPDIFF(MICROSECOND, '1970-01-01',
    UTC_TIMESTAMP(6)) - min(failed.finished_at) AS age
FROM (SELECT jobreg_runs.state AS state, jobreg_runs.finished_at AS finished_at
FROM jobreg_runs
WHERE jobreg_runs.state = 'failed'
ORDER BY jobreg_runs.seq DESC
LIMIT :most) AS failed
WHERE failed.finished_at > TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) - :window
UNION ALL SELECT 'cancelled' AS state, count(*) AS number, TIMESTAMPDIFF(MICROSECOND, '1970-01-01',
    UTC_TIMESTAMP(6)) - min(cancelled.finished_at) AS age
FROM (SELECT jobreg_runs.state AS state, jobreg_runs.finished_at AS finished_at
FROM jobreg_runs
WHERE jobreg_runs.state = 'cancelled'
ORDER BY jobreg_runs.seq DESC
LIMIT :most) AS cancelled
WHERE cancelled.finished_at > TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) - :window)
    AS anon_1;
