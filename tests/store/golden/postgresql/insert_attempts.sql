INSERT INTO jobreg_attempts (run_id, attempt, outcome, worker_id, host, pid, dist, version,
    started_at, finished_at, error_type, error_message, error_traceback, exit_signal, peak_memory)
VALUES (:run_id::VARCHAR, :attempt::INTEGER, :outcome::VARCHAR, :worker_id::VARCHAR,
    :host::VARCHAR, :pid::INTEGER, :dist::VARCHAR, :version::VARCHAR, :started_at::BIGINT,
    :finished_at::BIGINT, :error_type::VARCHAR, :error_message::VARCHAR, :error_traceback::VARCHAR,
    :exit_signal::INTEGER, :peak_memory::BIGINT);
