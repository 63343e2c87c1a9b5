SELECT jobreg_runs.run_id
FROM jobreg_runs
WHERE jobreg_runs.run_id IN (:run_ids, ...);
