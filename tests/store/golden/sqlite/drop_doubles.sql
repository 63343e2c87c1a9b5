-- table=jobreg_catalogue
DELETE
FROM jobreg_catalogue
WHERE jobreg_catalogue.job_name = :of_job AND length(jobreg_catalogue.job_name) = length(:of_job)
    AND (EXISTS (SELECT theirs.job_name
FROM (SELECT other.dist AS dist, other.version AS version, other.job_name AS job_name
FROM jobreg_catalogue AS other
WHERE other.job_name = :to_job AND length(other.job_name) = length(:to_job)) AS theirs
WHERE theirs.dist = jobreg_catalogue.dist AND theirs.version = jobreg_catalogue.version));

-- table=jobreg_owners
DELETE
FROM jobreg_owners
WHERE jobreg_owners.job_name = :of_job AND length(jobreg_owners.job_name) = length(:of_job) AND
    (EXISTS (SELECT theirs.job_name
FROM (SELECT other.job_name AS job_name
FROM jobreg_owners AS other
WHERE other.job_name = :to_job AND length(other.job_name) = length(:to_job)) AS theirs));

-- table=jobreg_pauses
DELETE
FROM jobreg_pauses
WHERE jobreg_pauses.kind = 'job' AND jobreg_pauses.name = :of_job AND length(jobreg_pauses.name) =
    length(:of_job) AND (EXISTS (SELECT theirs.name
FROM (SELECT other.kind AS kind, other.name AS name
FROM jobreg_pauses AS other
WHERE other.kind = 'job' AND other.name = :to_job AND length(other.name) = length(:to_job)) AS
    theirs
WHERE theirs.kind = jobreg_pauses.kind));
