SELECT jobreg_live.job_name, jobreg_live.unique_key, jobreg_live.run_id
FROM jobreg_live
WHERE jobreg_live.unique_key IN (:unique_keys, ...);
