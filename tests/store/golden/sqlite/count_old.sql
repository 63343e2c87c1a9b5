SELECT count(*) AS count_1
FROM jobreg_runs
WHERE jobreg_runs.created_at < (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
    * 1000) - :age AND jobreg_runs.state = :state AND jobreg_runs.finished_at <
    (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000) - :age;
