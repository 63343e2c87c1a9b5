SELECT jobreg_runs.state, count(*) AS number
FROM jobreg_runs
WHERE jobreg_runs.job_name = :name AND jobreg_runs.state IS NOT NULL
GROUP BY jobreg_runs.state
UNION ALL SELECT jobreg_live.state, count(*) AS number
FROM jobreg_live
WHERE jobreg_live.job_name = :name
GROUP BY jobreg_live.state;
