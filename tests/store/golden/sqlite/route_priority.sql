UPDATE jobreg_live
SET priority=:to_priority, priority_by_default=0
WHERE jobreg_live.state = 'queued' AND jobreg_live.queue = :of_queue AND jobreg_live.job_name =
    :name AND jobreg_live.priority = 0 AND jobreg_live.priority_by_default = 1;
