DELETE
FROM jobreg_live
WHERE jobreg_live.run_id = :of_run AND jobreg_live.attempt = :of_attempt AND jobreg_live.worker_id
    = :of_worker AND jobreg_live.state = 'running';
