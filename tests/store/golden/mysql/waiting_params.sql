SELECT jobreg_runs.run_id, jobreg_runs.params
FROM jobreg_runs INNER JOIN jobreg_live ON jobreg_live.run_id = jobreg_runs.run_id
WHERE jobreg_live.job_name = :name AND jobreg_live.state != 'running'
ORDER BY jobreg_live.seq
LIMIT :most;
