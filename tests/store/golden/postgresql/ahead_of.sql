SELECT count(*) AS count_1
FROM jobreg_live JOIN jobreg_live AS of_run ON of_run.run_id = :of_run::VARCHAR
WHERE jobreg_live.state = 'queued' AND jobreg_live.queue = of_run.queue AND (jobreg_live.priority >
    of_run.priority OR jobreg_live.priority = of_run.priority AND (jobreg_live.due_at <
    of_run.due_at OR jobreg_live.due_at = of_run.due_at AND jobreg_live.seq < of_run.seq));
