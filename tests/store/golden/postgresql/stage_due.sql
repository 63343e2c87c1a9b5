UPDATE jobreg_live
SET state='queued'::VARCHAR
WHERE jobreg_live.state = 'scheduled' AND jobreg_live.due_at <= CAST(extract(epoch FROM
    clock_timestamp()) * 1000000 AS BIGINT);
