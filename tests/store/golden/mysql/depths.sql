SELECT jobreg_live.queue, jobreg_live.job_name, jobreg_live.state, count(*) AS number,
    TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) - min(jobreg_live.due_at) AS age
FROM jobreg_live
GROUP BY jobreg_live.queue, jobreg_live.job_name, jobreg_live.state
ORDER BY jobreg_live.queue, jobreg_live.job_name, jobreg_live.state;
