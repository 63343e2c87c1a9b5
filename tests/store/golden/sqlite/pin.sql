INSERT INTO jobreg_owners (job_name, dist, pinned_by, pinned_at)
VALUES (:of_job, :to_dist, :to_pinned_by, (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0)
    AS INTEGER) * 1000));
