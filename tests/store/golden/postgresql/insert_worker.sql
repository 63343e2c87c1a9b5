INSERT INTO jobreg_workers (worker_id, state, host, pid, pid_started, boot_id, pid_namespace,
    jobreg_version, concurrency, queues, names, lease, beat, started_at, beat_at, expires_at)
VALUES (:worker_id::VARCHAR, 'live'::VARCHAR, :host::VARCHAR, :pid::INTEGER, :pid_started::VARCHAR,
    :boot_id::VARCHAR, :pid_namespace::VARCHAR, :jobreg_version::VARCHAR, :concurrency::INTEGER,
    :queues::VARCHAR, :names::VARCHAR, :lease, 0::BIGINT, CAST(extract(epoch FROM
    clock_timestamp()) * 1000000 AS BIGINT), CAST(extract(epoch FROM clock_timestamp()) * 1000000
    AS BIGINT), (CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) +
    :lease_us::BIGINT));
