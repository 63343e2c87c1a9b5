SELECT min(jobreg_live.due_at) - TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) AS
    anon_1
FROM jobreg_live
WHERE jobreg_live.state = 'scheduled';
