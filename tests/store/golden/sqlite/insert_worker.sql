INSERT INTO jobreg_workers (worker_id, state, host, pid, pid_started, boot_id, pid_namespace,
    jobreg_version, concurrency, queues, names, lease, beat, started_at, beat_at, expires_at)
VALUES (:worker_id, 'live', :host, :pid, :pid_started, :boot_id, :pid_namespace, :jobreg_version,
    :concurrency, :queues, :names, :lease, 0, (CAST(ROUND((julianday('now') - 2440587.5) *
    86400000.0) AS INTEGER) * 1000), (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS
    INTEGER) * 1000), ((CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000)
    + :lease_us));
