UPDATE jobreg_live
SET state='queued'
WHERE jobreg_live.state = 'scheduled' AND jobreg_live.due_at <= TIMESTAMPDIFF(MICROSECOND,
    '1970-01-01', UTC_TIMESTAMP(6));
