SELECT jobreg_runs.run_id
FROM jobreg_runs
WHERE jobreg_runs.run_id >= :first AND jobreg_runs.run_id <= :last
ORDER BY jobreg_runs.run_id
LIMIT :most;
