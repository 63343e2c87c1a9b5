SELECT anon_1.queue, anon_1.job_name, anon_1.state, anon_1.number, anon_1.age
FROM (SELECT jobreg_live.queue AS queue, jobreg_live.job_name AS job_name, jobreg_live.state AS
    state, count(*) AS number, (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    * 1000) - min(jobreg_live.due_at) AS age
FROM jobreg_live
WHERE jobreg_live.state = 'queued'
GROUP BY jobreg_live.queue, jobreg_live.job_name, jobreg_live.state
UNION ALL SELECT jobreg_live.queue AS queue, jobreg_live.job_name AS job_name, jobreg_live.state AS
    state, count(*) AS number, (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    * 1000) - min(jobreg_live.due_at) AS age
FROM jobreg_live
WHERE jobreg_live.state != 'queued'
GROUP BY jobreg_live.queue, jobreg_live.job_name, jobreg_live.state) AS anon_1
ORDER BY anon_1.queue, anon_1.job_name, anon_1.state;
