SELECT jobreg_catalogue.job_name, jobreg_catalogue.dist, jobreg_catalogue.version
FROM jobreg_catalogue
ORDER BY jobreg_catalogue.last_seen;
