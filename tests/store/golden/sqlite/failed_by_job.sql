SELECT failed.job_name, count(*) AS number, min(failed.age) AS age
FROM (SELECT jobreg_runs.job_name AS job_name, jobreg_runs.started_at - jobreg_runs.scheduled_at AS
    waited, jobreg_runs.finished_at - jobreg_runs.started_at AS took, (CAST(ROUND((julianday('now')
    - 2440587.5) * 86400000.0) AS INTEGER) * 1000) - jobreg_runs.finished_at AS age
FROM jobreg_runs
WHERE jobreg_runs.state = 'failed'
ORDER BY jobreg_runs.seq DESC
LIMIT :most OFFSET 0) AS failed
WHERE failed.age < :window
GROUP BY failed.job_name
ORDER BY number DESC, failed.job_name
LIMIT :jobs OFFSET 0;
