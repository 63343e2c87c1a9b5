UPDATE jobreg_catalogue
SET options=:to_options, signature=:to_signature, params_schema=:to_params_schema,
    summary=:to_summary, import_seconds=:to_import_seconds, trouble=:to_trouble,
    last_seen=TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))
WHERE jobreg_catalogue.job_name = :of_job AND jobreg_catalogue.dist = :of_dist AND
    jobreg_catalogue.version = :of_version;
