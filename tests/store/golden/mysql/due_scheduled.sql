SELECT jobreg_live.seq
FROM jobreg_live
WHERE jobreg_live.state = 'scheduled' AND jobreg_live.due_at <= TIMESTAMPDIFF(MICROSECOND,
    '1970-01-01', UTC_TIMESTAMP(6))
LIMIT :most
FOR UPDATE SKIP LOCKED;
