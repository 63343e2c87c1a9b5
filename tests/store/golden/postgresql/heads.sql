SELECT jobreg_live.seq, jobreg_live.priority, jobreg_live.due_at, jobreg_live.job_name,
    jobreg_live.suspect, jobreg_live.max_attempts, jobreg_live.max_crashes
FROM jobreg_live
WHERE jobreg_live.state = 'queued' AND jobreg_live.queue = :queue::VARCHAR AND jobreg_live.job_name
    = :name::VARCHAR
ORDER BY jobreg_live.priority DESC, jobreg_live.due_at, jobreg_live.seq
LIMIT :most
FOR UPDATE SKIP LOCKED;
