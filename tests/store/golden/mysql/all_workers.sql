SELECT jobreg_workers.worker_id, jobreg_workers.state, jobreg_workers.host, jobreg_workers.pid,
    jobreg_workers.pid_started, jobreg_workers.boot_id, jobreg_workers.pid_namespace,
    jobreg_workers.jobreg_version, jobreg_workers.concurrency, jobreg_workers.queues,
    jobreg_workers.names, jobreg_workers.lease, jobreg_workers.beat, jobreg_workers.started_at,
    jobreg_workers.beat_at, jobreg_workers.expires_at, jobreg_workers.`condition`,
    jobreg_workers.asked, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) AS now
FROM jobreg_workers;
