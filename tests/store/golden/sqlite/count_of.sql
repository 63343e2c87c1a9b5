-- table=jobreg_catalogue
SELECT count(*) AS count_1
FROM jobreg_catalogue
WHERE jobreg_catalogue.job_name = :of_job AND length(jobreg_catalogue.job_name) = length(:of_job);

-- table=jobreg_owners
SELECT count(*) AS count_1
FROM jobreg_owners
WHERE jobreg_owners.job_name = :of_job AND length(jobreg_owners.job_name) = length(:of_job);

-- table=jobreg_pauses
SELECT count(*) AS count_1
FROM jobreg_pauses
WHERE jobreg_pauses.kind = 'job' AND jobreg_pauses.name = :of_job AND length(jobreg_pauses.name) =
    length(:of_job);
