-- table=jobreg_catalogue
UPDATE jobreg_catalogue
SET job_name=:to_job::VARCHAR
WHERE jobreg_catalogue.job_name = :of_job::VARCHAR AND length(jobreg_catalogue.job_name) =
    length(:of_job::VARCHAR);

-- table=jobreg_owners
UPDATE jobreg_owners
SET job_name=:to_job::VARCHAR
WHERE jobreg_owners.job_name = :of_job::VARCHAR AND length(jobreg_owners.job_name) =
    length(:of_job::VARCHAR);

-- table=jobreg_pauses
UPDATE jobreg_pauses
SET name=:to_job::VARCHAR
WHERE jobreg_pauses.kind = 'job'::VARCHAR AND jobreg_pauses.name = :of_job::VARCHAR AND
    length(jobreg_pauses.name) = length(:of_job::VARCHAR);
