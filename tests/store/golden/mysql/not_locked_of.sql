SELECT jobreg_live.run_id
FROM jobreg_live FORCE INDEX (run_id) INNER JOIN jobreg_runs FORCE INDEX (run_id) ON
    jobreg_runs.run_id = jobreg_live.run_id
WHERE jobreg_live.run_id IN (:run_ids, ...)
FOR UPDATE SKIP LOCKED;
