SELECT jobreg_overrides.job_name, jobreg_overrides.option_name, jobreg_overrides.value,
    jobreg_overrides.set_at
FROM jobreg_overrides
ORDER BY jobreg_overrides.job_name, jobreg_overrides.option_name;
