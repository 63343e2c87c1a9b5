INSERT INTO jobreg_attempts (run_id, attempt, outcome, worker_id, host, pid, dist, version,
    started_at, finished_at, error_type, error_message, error_traceback, exit_signal, peak_memory)
VALUES (:run_id, :attempt, :outcome, :worker_id, :host, :pid, :dist, :version, :started_at,
    :finished_at, :error_type, :error_message, :error_traceback, :exit_signal, :peak_memory);
