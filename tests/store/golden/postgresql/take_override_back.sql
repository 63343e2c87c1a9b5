DELETE
FROM jobreg_overrides
WHERE jobreg_overrides.job_name = :of_job::VARCHAR AND jobreg_overrides.option_name =
    :of_option::VARCHAR;
