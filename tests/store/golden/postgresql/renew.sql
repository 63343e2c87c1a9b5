UPDATE jobreg_workers
SET names=:to_names::VARCHAR, beat=(jobreg_workers.beat + 1::BIGINT), beat_at=CAST(extract(epoch
    FROM clock_timestamp()) * 1000000 AS BIGINT), expires_at=(CAST(extract(epoch FROM
    clock_timestamp()) * 1000000 AS BIGINT) + :lease_us::BIGINT), condition=:to_condition::VARCHAR
WHERE jobreg_workers.worker_id = :of_worker::VARCHAR AND jobreg_workers.state = 'live'::VARCHAR;
