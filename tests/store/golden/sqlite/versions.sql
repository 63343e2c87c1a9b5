SELECT jobreg_catalogue.job_name, jobreg_catalogue.dist, jobreg_catalogue.version
FROM jobreg_catalogue
WHERE jobreg_catalogue.job_name IN (:names, ...);
