UPDATE jobreg_owners
SET dist=:to_dist::VARCHAR, pinned_by=:to_pinned_by::VARCHAR, pinned_at=CAST(extract(epoch FROM
    clock_timestamp()) * 1000000 AS BIGINT)
WHERE jobreg_owners.job_name = :of_job::VARCHAR;
