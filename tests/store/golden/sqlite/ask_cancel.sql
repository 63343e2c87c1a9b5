UPDATE jobreg_live
SET cancel_requested=:how
WHERE jobreg_live.run_id = :of_run AND jobreg_live.state = 'running';
