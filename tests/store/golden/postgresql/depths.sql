SELECT jobreg_live.queue, jobreg_live.job_name, jobreg_live.state, count(*) AS number,
    CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) - min(jobreg_live.due_at) AS
    age
FROM jobreg_live
GROUP BY jobreg_live.queue, jobreg_live.job_name, jobreg_live.state
ORDER BY jobreg_live.queue, jobreg_live.job_name, jobreg_live.state;
