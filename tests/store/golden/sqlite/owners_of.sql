-- all_jobs=False
SELECT jobreg_owners.job_name, jobreg_owners.dist, jobreg_owners.pinned_by, jobreg_owners.pinned_at
FROM jobreg_owners
WHERE jobreg_owners.job_name IN (:names, ...)
ORDER BY jobreg_owners.job_name;

-- all_jobs=True
SELECT jobreg_owners.job_name, jobreg_owners.dist, jobreg_owners.pinned_by, jobreg_owners.pinned_at
FROM jobreg_owners
ORDER BY jobreg_owners.job_name;
