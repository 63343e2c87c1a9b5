-- all_jobs=False
SELECT jobreg_catalogue.job_name, jobreg_catalogue.dist, jobreg_catalogue.version,
    jobreg_catalogue.options, jobreg_catalogue.signature, jobreg_catalogue.params_schema,
    jobreg_catalogue.summary, jobreg_catalogue.import_seconds, jobreg_catalogue.trouble,
    jobreg_catalogue.first_seen, jobreg_catalogue.last_seen
FROM jobreg_catalogue
WHERE jobreg_catalogue.job_name IN (:names, ...)
ORDER BY jobreg_catalogue.job_name, jobreg_catalogue.last_seen DESC;

-- all_jobs=True
SELECT jobreg_catalogue.job_name, jobreg_catalogue.dist, jobreg_catalogue.version,
    jobreg_catalogue.options, jobreg_catalogue.signature, jobreg_catalogue.params_schema,
    jobreg_catalogue.summary, jobreg_catalogue.import_seconds, jobreg_catalogue.trouble,
    jobreg_catalogue.first_seen, jobreg_catalogue.last_seen
FROM jobreg_catalogue
ORDER BY jobreg_catalogue.job_name, jobreg_catalogue.last_seen DESC;
