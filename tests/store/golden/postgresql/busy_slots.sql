SELECT jobreg_live.worker_id, count(*) AS count_1
FROM jobreg_live
WHERE jobreg_live.worker_id IS NOT NULL
GROUP BY jobreg_live.worker_id;
