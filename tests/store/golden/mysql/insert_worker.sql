INSERT INTO jobreg_workers (worker_id, state, host, pid, pid_started, boot_id, pid_namespace,
    jobreg_version, concurrency, queues, names, lease, beat, started_at, beat_at, expires_at)
VALUES (:worker_id, 'live', :host, :pid, :pid_started, :boot_id, :pid_namespace, :jobreg_version,
    :concurrency, :queues, :names, :lease, 0, TIMESTAMPDIFF(MICROSECOND, '1970-01-01',
    UTC_TIMESTAMP(6)), TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)),
    (TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) + :lease_us));
