UPDATE jobreg_live
SET queue=:to_queue::VARCHAR, queue_by_default=0::SMALLINT
WHERE jobreg_live.state = 'queued' AND jobreg_live.queue = :of_queue::VARCHAR AND
    jobreg_live.job_name = :name::VARCHAR AND jobreg_live.queue_by_default = 1::SMALLINT;
