SELECT jobreg_pauses.kind, jobreg_pauses.name, jobreg_pauses.paused_at
FROM jobreg_pauses
WHERE jobreg_pauses.kind = :kind AND jobreg_pauses.name = :name;
