SELECT jobreg_live.queue, jobreg_live.job_name, count(*) AS count_1
FROM jobreg_live
WHERE jobreg_live.state IN (['queued', 'scheduled'], ...) AND jobreg_live.due_at <=
    (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000)
GROUP BY jobreg_live.queue, jobreg_live.job_name;
