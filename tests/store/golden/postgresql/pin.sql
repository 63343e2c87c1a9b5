INSERT INTO jobreg_owners (job_name, dist, pinned_by, pinned_at)
VALUES (:of_job::VARCHAR, :to_dist::VARCHAR, :to_pinned_by::VARCHAR, CAST(extract(epoch FROM
    clock_timestamp()) * 1000000 AS BIGINT));
