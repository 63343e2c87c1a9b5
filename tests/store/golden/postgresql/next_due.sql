SELECT min(jobreg_live.due_at) - CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) AS
    anon_1
FROM jobreg_live
WHERE jobreg_live.state = 'scheduled';
