SELECT jobreg_live.queue, jobreg_live.job_name, jobreg_live.state, count(*) AS number,
    (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000) -
    min(jobreg_live.due_at) AS age
FROM jobreg_live
GROUP BY jobreg_live.queue, jobreg_live.job_name, jobreg_live.state
ORDER BY jobreg_live.queue, jobreg_live.job_name, jobreg_live.state;
