DELETE
FROM jobreg_overrides
WHERE jobreg_overrides.job_name = :of_job AND jobreg_overrides.option_name = :of_option;
