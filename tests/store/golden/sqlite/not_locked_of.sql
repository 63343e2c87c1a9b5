SELECT jobreg_live.run_id
FROM jobreg_live JOIN jobreg_runs ON jobreg_runs.run_id = jobreg_live.run_id
WHERE jobreg_live.run_id IN (:run_ids, ...);
