SELECT jobreg_live.run_id, jobreg_live.attempt, jobreg_live.tries, jobreg_live.crashes,
    jobreg_live.suspect, jobreg_live.job_name
FROM jobreg_live
WHERE jobreg_live.worker_id = :of_worker::VARCHAR AND jobreg_live.state = 'running';
