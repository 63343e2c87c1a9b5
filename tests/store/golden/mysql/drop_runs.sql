DELETE
FROM jobreg_runs
WHERE jobreg_runs.run_id IN (:run_ids, ...) AND jobreg_runs.state IS NOT NULL;
