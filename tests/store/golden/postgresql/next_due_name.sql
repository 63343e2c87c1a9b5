SELECT jobreg_live.queue, jobreg_live.job_name
FROM jobreg_live
WHERE jobreg_live.state = 'queued' AND (jobreg_live.queue > :queue::VARCHAR OR jobreg_live.queue =
    :queue::VARCHAR AND jobreg_live.job_name > :name::VARCHAR)
ORDER BY jobreg_live.queue, jobreg_live.job_name
LIMIT 1::INTEGER;
