SELECT *
FROM (SELECT 'succeeded' AS state, succeeded_lately.slice AS slice, count(*) AS number,
    count(succeeded_lately.took) AS begun, sum(succeeded_lately.waited) AS waited,
    sum(succeeded_lately.took) AS took
FROM (SELECT succeeded.waited AS waited, succeeded.took AS took, CAST(FLOOR(succeeded.age / :slice)
    AS SIGNED INTEGER) AS slice
FROM (SELECT jobreg_runs.job_name AS job_name, jobreg_runs.started_at - jobreg_runs.scheduled_at AS
    waited, jobreg_runs.finished_at - jobreg_runs.started_at AS took, TIMESTAMPDIFF(MICROSECOND,
    '1970-01-01', UTC_TIMESTAMP(6)) - jobreg_runs.finished_at AS age
FROM jobreg_runs
WHERE jobreg_runs.state = 'succeeded'
ORDER BY jobreg_runs.seq DESC
LIMIT :most) AS succeeded
WHERE succeeded.age < :window) AS succeeded_lately
GROUP BY succeeded_lately.slice
UNION ALL SELECT 'failed' AS state, failed_lately.slice AS slice, count(*) AS number,
    count(failed_lately.took) AS begun, sum(failed_lately.waited) AS waited,
    sum(failed_lately.took) AS took
FROM (SELECT failed.waited AS waited, failed.took AS took, CAST(FLOOR(failed.age / :slice) AS
    SIGNED INTEGER) AS slice
FROM (SELECT jobreg_runs.job_name AS job_name, jobreg_runs.started_at - jobreg_runs.scheduled_at AS
    waited, jobreg_runs.finished_at - jobreg_runs.started_at AS took, TIMESTAMPDIFF(MICROSECOND,
    '1970-01-01', UTC_TIMESTAMP(6)) - jobreg_runs.finished_at AS age
FROM jobreg_runs
WHERE jobreg_runs.state = 'failed'
ORDER BY jobreg_runs.seq DESC
LIMIT :most) AS failed
WHERE failed.age < :window) AS failed_lately
GROUP BY failed_lately.slice
UNION ALL SELECT 'cancelled' AS state, cancelled_lately.slice AS slice, count(*) AS number,
    count(cancelled_lately.took) AS begun, sum(cancelled_lately.waited) AS waited,
    sum(cancelled_lately.took) AS took
FROM (SELECT cancelled.waited AS waited, cancelled.took AS took, CAST(FLOOR(cancelled.age / :slice)
    AS SIGNED INTEGER) AS slice
FROM (SELECT jobreg_runs.job_name AS job_name, jobreg_runs.started_at - jobreg_runs.scheduled_at AS
    waited, jobreg_runs.finished_at - jobreg_runs.started_at AS took, TIMESTAMPDIFF(MICROSECOND,
    '1970-01-01', UTC_TIMESTAMP(6)) - jobreg_runs.finished_at AS age
FROM jobreg_runs
WHERE jobreg_runs.state = 'cancelled'
ORDER BY jobreg_runs.seq DESC
LIMIT :most) AS cancelled
WHERE cancelled.age < :window) AS cancelled_lately
GROUP BY cancelled_lately.slice) AS anon_1;
