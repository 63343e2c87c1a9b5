DELETE
FROM jobreg_live
WHERE jobreg_live.run_id = :of_run::VARCHAR AND jobreg_live.attempt = :of_attempt::INTEGER AND
    jobreg_live.state != 'running';
