SELECT jobreg_live.unique_key
FROM jobreg_live JOIN jobreg_live AS other ON other.unique_key = jobreg_live.unique_key
WHERE jobreg_live.job_name = :of_job::VARCHAR AND length(jobreg_live.job_name) =
    length(:of_job::VARCHAR) AND other.job_name = :to_job::VARCHAR AND length(other.job_name) =
    length(:to_job::VARCHAR)
ORDER BY jobreg_live.unique_key
LIMIT 5::INTEGER;
