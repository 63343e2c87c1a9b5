UPDATE jobreg_live
SET state='running'::VARCHAR, attempt=(jobreg_live.attempt + 1::INTEGER),
    worker_id=:of_worker::VARCHAR, started_at=CAST(extract(epoch FROM clock_timestamp()) * 1000000
    AS BIGINT)
WHERE jobreg_live.run_id = :of_run::VARCHAR AND jobreg_live.state IN (['queued', 'scheduled'], ...);
