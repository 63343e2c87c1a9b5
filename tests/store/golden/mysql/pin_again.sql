UPDATE jobreg_owners
SET dist=:to_dist, pinned_by=:to_pinned_by, pinned_at=TIMESTAMPDIFF(MICROSECOND, '1970-01-01',
    UTC_TIMESTAMP(6))
WHERE jobreg_owners.job_name = :of_job;
