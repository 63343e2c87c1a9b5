INSERT INTO jobreg_owners (job_name, dist, pinned_by, pinned_at)
VALUES (:of_job, :to_dist, :to_pinned_by, TIMESTAMPDIFF(MICROSECOND, '1970-01-01',
    UTC_TIMESTAMP(6)));
