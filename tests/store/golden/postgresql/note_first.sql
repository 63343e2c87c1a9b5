INSERT INTO jobreg_catalogue (job_name, dist, version, options, signature, params_schema, summary,
    import_seconds, trouble, first_seen, last_seen)
VALUES (:of_job::VARCHAR, :of_dist::VARCHAR, :of_version::VARCHAR, :to_options::VARCHAR,
    :to_signature::VARCHAR, :to_params_schema::VARCHAR, :to_summary::VARCHAR, :to_import_seconds,
    :to_trouble::VARCHAR, CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT));
