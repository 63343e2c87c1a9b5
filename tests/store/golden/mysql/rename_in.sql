-- table=jobreg_catalogue
UPDATE jobreg_catalogue
SET job_name=:to_job
WHERE jobreg_catalogue.job_name = :of_job AND length(jobreg_catalogue.job_name) = length(:of_job);

-- table=jobreg_owners
UPDATE jobreg_owners
SET job_name=:to_job
WHERE jobreg_owners.job_name = :of_job AND length(jobreg_owners.job_name) = length(:of_job);

-- table=jobreg_pauses
UPDATE jobreg_pauses
SET name=:to_job
WHERE jobreg_pauses.kind = 'job' AND jobreg_pauses.name = :of_job AND length(jobreg_pauses.name) =
    length(:of_job);
