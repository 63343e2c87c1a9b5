SELECT jobreg_attempts.run_id, jobreg_attempts.attempt, jobreg_attempts.outcome,
    jobreg_attempts.worker_id, jobreg_attempts.host, jobreg_attempts.pid, jobreg_attempts.dist,
    jobreg_attempts.version, jobreg_attempts.started_at, jobreg_attempts.finished_at,
    jobreg_attempts.error_type, jobreg_attempts.error_message, jobreg_attempts.error_traceback,
    jobreg_attempts.exit_signal, jobreg_attempts.peak_memory
FROM jobreg_attempts
WHERE jobreg_attempts.run_id = :of_run::VARCHAR
ORDER BY jobreg_attempts.attempt;
