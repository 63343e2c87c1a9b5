INSERT INTO jobreg_tokens (digest, role, created_at)
VALUES (:digest::VARCHAR, :role::VARCHAR, CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS
    BIGINT));
