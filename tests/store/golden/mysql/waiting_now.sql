SELECT jobreg_live.queue, jobreg_live.job_name, count(*) AS count_1
FROM jobreg_live
WHERE jobreg_live.state IN (['queued', 'scheduled'], ...) AND jobreg_live.due_at <=
    TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))
GROUP BY jobreg_live.queue, jobreg_live.job_name;
