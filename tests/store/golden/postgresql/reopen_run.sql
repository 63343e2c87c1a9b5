UPDATE jobreg_runs
SET scheduled_at=CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT), state=NULL,
    reason=NULL, result=NULL, error_type=NULL, error_message=NULL, error_traceback=NULL,
    tries=0::INTEGER, crashes=0::INTEGER, started_at=NULL, finished_at=NULL, progress=NULL,
    worker_id=NULL
WHERE jobreg_runs.run_id = :of_run::VARCHAR AND jobreg_runs.attempt = :of_attempt::INTEGER AND
    jobreg_runs.state IN (['failed', 'cancelled'], ...);
