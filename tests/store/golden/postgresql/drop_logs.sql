DELETE
FROM jobreg_logs
WHERE jobreg_logs.run_id IN (:run_ids, ...);
