DELETE
FROM jobreg_pauses
WHERE jobreg_pauses.kind = :of_kind AND jobreg_pauses.name = :of_name;
