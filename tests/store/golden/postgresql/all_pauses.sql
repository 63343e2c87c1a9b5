SELECT jobreg_pauses.kind, jobreg_pauses.name, jobreg_pauses.paused_at
FROM jobreg_pauses
ORDER BY jobreg_pauses.kind, jobreg_pauses.name;
