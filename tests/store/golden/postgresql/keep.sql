SELECT jobreg_live.seq
FROM jobreg_live
WHERE jobreg_live.seq IN (:seqs, ...) AND jobreg_live.state = 'queued'
FOR UPDATE SKIP LOCKED;
