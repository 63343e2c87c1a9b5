SELECT jobreg_live.queue, jobreg_live.job_name, count(*) AS count_1
FROM jobreg_live
WHERE jobreg_live.state IN (['queued', 'scheduled'], ...) AND jobreg_live.due_at <=
    CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)
GROUP BY jobreg_live.queue, jobreg_live.job_name;
