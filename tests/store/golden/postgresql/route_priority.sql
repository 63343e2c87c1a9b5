UPDATE jobreg_live
SET priority=:to_priority::SMALLINT, priority_by_default=0::SMALLINT
WHERE jobreg_live.state = 'queued' AND jobreg_live.queue = :of_queue::VARCHAR AND
    jobreg_live.job_name = :name::VARCHAR AND jobreg_live.priority = 0::SMALLINT AND
    jobreg_live.priority_by_default = 1::SMALLINT;
