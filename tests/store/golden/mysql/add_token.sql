INSERT INTO jobreg_tokens (digest, `role`, created_at)
VALUES (:digest, :role, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)));
