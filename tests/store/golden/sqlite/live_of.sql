SELECT jobreg_live.run_id
FROM jobreg_live
WHERE jobreg_live.run_id IN (:run_ids, ...);
