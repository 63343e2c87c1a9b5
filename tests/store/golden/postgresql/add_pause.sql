INSERT INTO jobreg_pauses (kind, name, paused_at)
VALUES (:kind::VARCHAR, :name::VARCHAR, CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS
    BIGINT));
