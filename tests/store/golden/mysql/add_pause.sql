INSERT INTO jobreg_pauses (kind, name, paused_at)
VALUES (:kind, :name, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)));
