UPDATE jobreg_live
SET cancel_requested=1
WHERE jobreg_live.run_id = :of_run AND jobreg_live.state = 'running';
