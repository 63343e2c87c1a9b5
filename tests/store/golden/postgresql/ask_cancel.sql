UPDATE jobreg_live
SET cancel_requested=:how::SMALLINT
WHERE jobreg_live.run_id = :of_run::VARCHAR AND jobreg_live.state = 'running';
