UPDATE jobreg_live
SET state='queued'
WHERE jobreg_live.seq IN (:seqs, ...);
