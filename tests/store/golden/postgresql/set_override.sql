INSERT INTO jobreg_overrides (job_name, option_name, value, set_at)
VALUES (:of_job::VARCHAR, :of_option::VARCHAR, :to_value::VARCHAR, CAST(extract(epoch FROM
    clock_timestamp()) * 1000000 AS BIGINT));
