-- number=2
(SELECT jobreg_live.seq, jobreg_live.priority, jobreg_live.due_at, jobreg_live.job_name,
    jobreg_live.suspect, jobreg_live.max_attempts, jobreg_live.max_crashes, 0
FROM jobreg_live
WHERE jobreg_live.state = 'queued' AND jobreg_live.queue = :queue0::VARCHAR AND
    jobreg_live.job_name = :name0::VARCHAR
ORDER BY jobreg_live.priority DESC, jobreg_live.due_at, jobreg_live.seq
LIMIT :most0)
UNION ALL (SELECT jobreg_live.seq, jobreg_live.priority, jobreg_live.due_at, jobreg_live.job_name,
    jobreg_live.suspect, jobreg_live.max_attempts, jobreg_live.max_crashes, 1
FROM jobreg_live
WHERE jobreg_live.state = 'queued' AND jobreg_live.queue = :queue1::VARCHAR AND
    jobreg_live.job_name = :name1::VARCHAR
ORDER BY jobreg_live.priority DESC, jobreg_live.due_at, jobreg_live.seq
LIMIT :most1);
