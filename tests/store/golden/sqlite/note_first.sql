INSERT INTO jobreg_catalogue (job_name, dist, version, options, signature, params_schema, summary,
    import_seconds, trouble, first_seen, last_seen)
VALUES (:of_job, :of_dist, :of_version, :to_options, :to_signature, :to_params_schema, :to_summary,
    :to_import_seconds, :to_trouble, (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS
    INTEGER) * 1000), (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000));
