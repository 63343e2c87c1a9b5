UPDATE jobreg_live
SET state='queued'::VARCHAR
WHERE jobreg_live.seq IN (:seqs, ...);
