SELECT *
FROM (SELECT jobreg_live.state AS state, count(*) AS n
FROM jobreg_live
WHERE jobreg_live.state = 'queued'
GROUP BY jobreg_live.state
UNION ALL SELECT jobreg_live.state AS state, count(*) AS n
FROM jobreg_live
WHERE jobreg_live.state = 'scheduled'
GROUP BY jobreg_live.state
UNION ALL SELECT jobreg_live.state AS state, count(*) AS n
FROM jobreg_live
WHERE jobreg_live.state = 'running' AND jobreg_live.worker_id IS NOT NULL
GROUP BY jobreg_live.state
UNION ALL SELECT jobreg_runs.state AS state, count(*) AS n
FROM jobreg_runs
WHERE jobreg_runs.state IS NOT NULL
GROUP BY jobreg_runs.state) AS anon_1;
