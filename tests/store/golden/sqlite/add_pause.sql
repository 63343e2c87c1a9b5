INSERT INTO jobreg_pauses (kind, name, paused_at)
VALUES (:kind, :name, (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000));
