UPDATE jobreg_live
SET queue=:to_queue, queue_by_default=0
WHERE jobreg_live.state = 'queued' AND jobreg_live.queue = :of_queue AND jobreg_live.job_name =
    :name AND jobreg_live.queue_by_default = 1;
