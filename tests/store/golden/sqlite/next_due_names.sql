SELECT first_ones.queue, first_ones.job_name, count(*) AS runs
FROM (SELECT jobreg_live.queue AS queue, jobreg_live.job_name AS job_name
FROM jobreg_live
WHERE jobreg_live.state = 'queued' AND (jobreg_live.queue > :queue OR jobreg_live.queue = :queue
    AND jobreg_live.job_name > :name)
ORDER BY jobreg_live.queue, jobreg_live.job_name
LIMIT :most OFFSET 0) AS first_ones
GROUP BY first_ones.queue, first_ones.job_name
ORDER BY first_ones.queue, first_ones.job_name;
