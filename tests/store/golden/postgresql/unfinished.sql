SELECT jobreg_live.job_name, count(*) AS number
FROM jobreg_live
GROUP BY jobreg_live.job_name
ORDER BY jobreg_live.job_name;
