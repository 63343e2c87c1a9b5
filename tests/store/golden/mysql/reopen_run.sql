UPDATE jobreg_runs
SET scheduled_at=TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)), state=NULL,
    reason=NULL, result=NULL, error_type=NULL, error_message=NULL, error_traceback=NULL, tries=0,
    crashes=0, started_at=NULL, finished_at=NULL, progress=NULL, worker_id=NULL
WHERE jobreg_runs.run_id = :of_run AND jobreg_runs.attempt = :of_attempt AND jobreg_runs.state IN
    (['failed', 'cancelled'], ...);
