SELECT jobreg_live.seq
FROM jobreg_live
WHERE jobreg_live.state = 'scheduled' AND jobreg_live.due_at <= (CAST(ROUND((julianday('now') -
    2440587.5) * 86400000.0) AS INTEGER) * 1000)
LIMIT :most OFFSET 0;
