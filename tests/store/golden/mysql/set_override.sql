INSERT INTO jobreg_overrides (job_name, option_name, value, set_at)
VALUES (:of_job, :of_option, :to_value, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)));
