INSERT INTO jobreg_catalogue (job_name, dist, version, options, signature, params_schema, summary,
    import_seconds, trouble, first_seen, last_seen)
VALUES (:of_job, :of_dist, :of_version, :to_options, :to_signature, :to_params_schema, :to_summary,
    :to_import_seconds, :to_trouble, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)),
    TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)));
