WITH RECURSIVE q(queue) AS (SELECT min(jobreg_live.queue) AS queue
FROM jobreg_live
WHERE jobreg_live.state = 'queued'
UNION ALL SELECT (SELECT min(jobreg_live.queue) AS min_2
FROM jobreg_live
WHERE jobreg_live.state = 'queued' AND jobreg_live.queue > q.queue) AS anon_1
FROM q
WHERE q.queue IS NOT NULL), n(queue, job_name) AS (SELECT q.queue AS queue, (SELECT
    min(jobreg_live.job_name) AS min_1
FROM jobreg_live
WHERE jobreg_live.state = 'queued' AND jobreg_live.queue = q.queue) AS job_name
FROM q
WHERE q.queue IS NOT NULL
UNION ALL SELECT n.queue AS queue, (SELECT min(jobreg_live.job_name) AS min_3
FROM jobreg_live
WHERE jobreg_live.state = 'queued' AND jobreg_live.queue = n.queue AND jobreg_live.job_name >
    n.job_name) AS anon_2
FROM n
WHERE n.job_name IS NOT NULL) SELECT n.queue, n.job_name
FROM n
WHERE n.job_name IS NOT NULL AND NOT (EXISTS (SELECT jobreg_pauses.name
FROM jobreg_pauses
WHERE jobreg_pauses.kind = 'queue'::VARCHAR AND jobreg_pauses.name = n.queue OR jobreg_pauses.kind
    = 'job'::VARCHAR AND jobreg_pauses.name = n.job_name));
