UPDATE jobreg_live
SET unique_key=NULL
WHERE jobreg_live.run_id = :of_run;
