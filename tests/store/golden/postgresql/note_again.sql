UPDATE jobreg_catalogue
SET options=:to_options::VARCHAR, signature=:to_signature::VARCHAR,
    params_schema=:to_params_schema::VARCHAR, summary=:to_summary::VARCHAR,
    import_seconds=:to_import_seconds, trouble=:to_trouble::VARCHAR, last_seen=CAST(extract(epoch
    FROM clock_timestamp()) * 1000000 AS BIGINT)
WHERE jobreg_catalogue.job_name = :of_job::VARCHAR AND jobreg_catalogue.dist = :of_dist::VARCHAR
    AND jobreg_catalogue.version = :of_version::VARCHAR;
