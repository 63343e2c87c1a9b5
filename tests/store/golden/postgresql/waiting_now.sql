SELECT anon_1.queue, anon_1.job_name, sum(anon_1.n) AS sum_1
FROM (SELECT jobreg_live.queue AS queue, jobreg_live.job_name AS job_name, count(*) AS n
FROM jobreg_live
WHERE jobreg_live.due_at <= CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) AND
    jobreg_live.state = 'queued'
GROUP BY jobreg_live.queue, jobreg_live.job_name
UNION ALL SELECT jobreg_live.queue AS queue, jobreg_live.job_name AS job_name, count(*) AS n
FROM jobreg_live
WHERE jobreg_live.due_at <= CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) AND
    jobreg_live.state = 'scheduled'
GROUP BY jobreg_live.queue, jobreg_live.job_name) AS anon_1
GROUP BY anon_1.queue, anon_1.job_name;
