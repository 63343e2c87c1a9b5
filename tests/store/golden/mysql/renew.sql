UPDATE jobreg_workers
SET names=:to_names, beat=(jobreg_workers.beat + 1), beat_at=TIMESTAMPDIFF(MICROSECOND,
    '1970-01-01', UTC_TIMESTAMP(6)), expires_at=(TIMESTAMPDIFF(MICROSECOND, '1970-01-01',
    UTC_TIMESTAMP(6)) + :lease_us), `condition`=:to_condition
WHERE jobreg_workers.worker_id = :of_worker AND jobreg_workers.state = 'live';
