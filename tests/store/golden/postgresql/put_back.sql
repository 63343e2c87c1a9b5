UPDATE jobreg_live
SET state=:to_state::VARCHAR, due_at=CASE WHEN (:delay::BIGINT > 0::BIGINT) THEN CAST(extract(epoch
    FROM clock_timestamp()) * 1000000 AS BIGINT) + :delay::BIGINT ELSE jobreg_live.due_at END,
    tries=:to_tries::INTEGER, crashes=:to_crashes::INTEGER, worker_id=NULL, started_at=NULL,
    suspect=:to_suspect::SMALLINT
WHERE jobreg_live.run_id = :of_run::VARCHAR AND jobreg_live.attempt = :of_attempt::INTEGER AND
    jobreg_live.worker_id = :of_worker::VARCHAR AND jobreg_live.state = 'running';
