SELECT min(jobreg_live.due_at) - (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS
    INTEGER) * 1000) AS anon_1
FROM jobreg_live
WHERE jobreg_live.state = 'scheduled';
