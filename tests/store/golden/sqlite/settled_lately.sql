SELECT *
FROM (SELECT 'succeeded' AS state, count(*) AS number, (CAST(ROUND((julianday('now') - 2440587.5) *
    86400000.0) AS INTEGER) * 1000) - min(succeeded.finished_at) AS age
FROM (SELECT jobreg_runs.state AS state, jobreg_runs.finished_at AS finished_at
FROM jobreg_runs
WHERE jobreg_runs.state = 'succeeded'
ORDER BY jobreg_runs.seq DESC
LIMIT :most OFFSET 0) AS succeeded
WHERE succeeded.finished_at > (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    * 1000) - :window
UNION ALL SELECT 'failed' AS state, count(*) AS number, (CAST(ROUND((julianday('now') - 2440587.5)
    * 86400000.0) AS INTEGER) * 1000) - min(failed.finished_at) AS age
FROM (SELECT jobreg_runs.state AS state, jobreg_runs.finished_at AS finished_at
FROM jobreg_runs
WHERE jobreg_runs.state = 'failed'
ORDER BY jobreg_runs.seq DESC
LIMIT :most OFFSET 0) AS failed
WHERE failed.finished_at > (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) *
    1000) - :window
UNION ALL SELECT 'cancelled' AS state, count(*) AS number, (CAST(ROUND((julianday('now') -
    2440587.5) * 86400000.0) AS INTEGER) * 1000) - min(cancelled.finished_at) AS age
FROM (SELECT jobreg_runs.state AS state, jobreg_runs.finished_at AS finished_at
FROM jobreg_runs
WHERE jobreg_runs.state = 'cancelled'
ORDER BY jobreg_runs.seq DESC
LIMIT :most OFFSET 0) AS cancelled
WHERE cancelled.finished_at > (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    * 1000) - :window) AS anon_1;
