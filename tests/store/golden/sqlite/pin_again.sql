UPDATE jobreg_owners
SET dist=:to_dist, pinned_by=:to_pinned_by, pinned_at=(CAST(ROUND((julianday('now') - 2440587.5) *
    86400000.0) AS INTEGER) * 1000)
WHERE jobreg_owners.job_name = :of_job;
