SELECT jobreg_live.seq
FROM jobreg_live
WHERE jobreg_live.state = 'scheduled' AND jobreg_live.due_at <= CAST(extract(epoch FROM
    clock_timestamp()) * 1000000 AS BIGINT)
LIMIT :most
FOR UPDATE SKIP LOCKED;
