SELECT failed.job_name, count(*) AS number, min(failed.age) AS age
FROM (SELECT jobreg_runs.job_name AS job_name, jobreg_runs.started_at - jobreg_runs.scheduled_at AS
    waited, jobreg_runs.finished_at - jobreg_runs.started_at AS took, CAST(extract(epoch FROM
    clock_timestamp()) * 1000000 AS BIGINT) - jobreg_runs.finished_at AS age
FROM jobreg_runs
WHERE jobreg_runs.state = 'failed'
ORDER BY jobreg_runs.seq DESC
LIMIT :most) AS failed
WHERE failed.age < :window::BIGINT
GROUP BY failed.job_name
ORDER BY number DESC, failed.job_name
LIMIT :jobs;
