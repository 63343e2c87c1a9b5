SELECT jobreg_live.job_name, count(*) AS count_1
FROM jobreg_live
WHERE jobreg_live.state = 'running' AND jobreg_live.worker_id IS NOT NULL AND jobreg_live.job_name
    IN (:names, ...)
GROUP BY jobreg_live.job_name;
