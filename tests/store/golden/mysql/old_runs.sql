SELECT jobreg_runs.run_id
FROM jobreg_runs FORCE INDEX (jobreg_runs_by_time)
WHERE jobreg_runs.created_at < TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) - :age
    AND jobreg_runs.state = :state AND jobreg_runs.finished_at < TIMESTAMPDIFF(MICROSECOND,
    '1970-01-01', UTC_TIMESTAMP(6)) - :age
ORDER BY jobreg_runs.created_at, jobreg_runs.seq
LIMIT :most
FOR UPDATE SKIP LOCKED;
