SELECT jobreg_owners.job_name, jobreg_owners.dist, jobreg_owners.pinned_by,
    jobreg_owners.pinned_at, NULL AS option_name, NULL AS value
FROM jobreg_owners
UNION ALL SELECT jobreg_overrides.job_name, NULL AS anon_1, NULL AS anon__1, NULL AS anon__2,
    jobreg_overrides.option_name, jobreg_overrides.value
FROM jobreg_overrides;
