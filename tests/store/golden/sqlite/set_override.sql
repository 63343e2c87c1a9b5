INSERT INTO jobreg_overrides (job_name, option_name, value, set_at)
VALUES (:of_job, :of_option, :to_value, (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS
    INTEGER) * 1000));
