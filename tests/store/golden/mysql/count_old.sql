SELECT count(*) AS count_1
FROM jobreg_runs
WHERE jobreg_runs.created_at < TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) - :age
    AND jobreg_runs.state = :state AND jobreg_runs.finished_at < TIMESTAMPDIFF(MICROSECOND,
    '1970-01-01', UTC_TIMESTAMP(6)) - :age;
