INSERT INTO jobreg_tokens (digest, role, created_at)
VALUES (:digest, :role, (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) *
    1000));
