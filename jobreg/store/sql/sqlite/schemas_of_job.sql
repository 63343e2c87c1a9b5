SELECT jobreg_catalogue.job_name, jobreg_catalogue.dist, jobreg_catalogue.version, jobreg_catalogue.params_schema, jobreg_catalogue.last_seen 
FROM jobreg_catalogue 
WHERE jobreg_catalogue.job_name = :job_name AND jobreg_catalogue.params_schema IS NOT NULL
