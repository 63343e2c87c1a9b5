"""jobreg status: depth, oldest due, rate and workers; quick however long history is."""

from __future__ import annotations

import json
import re
import sqlite3
import time

import pytest
from commands import NAME, QUEUED
from store_hands import Ending, add, add_worker, claim_one, finish

from jobreg.cli import run
from jobreg.store import open_store


@pytest.fixture
def tell(file, monkeypatch, capsys):
    monkeypatch.setenv("JOBREG_STORE", str(file))

    def call(*arguments: str):
        assert run(["status", *arguments]) == 0
        return capsys.readouterr().out

    return call


def told(tell):
    return json.loads(tell("--json"))


def test_depth_is_told_by_queue_and_job(tell, kept):
    add(kept, queue="mail")
    add(kept, queue="mail", delay=3600.0)
    add(kept, "other.job", queue="mail")
    claim_one(kept, add_worker(kept))

    rows = told(tell)["queues"]

    found = {(row["queue"], row["job_name"]): row for row in rows}
    counts = {key: (row["queued"], row["running"], row["scheduled"]) for key, row in found.items()}
    assert counts == {
        ("default", NAME): (0, 1, 0),
        ("mail", NAME): (1, 0, 1),
        ("mail", "other.job"): (1, 0, 0),
    }
    assert found["default", NAME]["oldest_due"] is None
    assert 0 <= found["mail", NAME]["oldest_due"] < 60


def test_the_oldest_due_run_gives_its_age(tell, kept, file):
    add(kept)
    with sqlite3.connect(file) as connection:
        connection.execute(
            "UPDATE jobreg_live SET due_at = due_at - 3600000000 WHERE run_id = ?", (QUEUED,)
        )
    connection.close()

    (row,) = told(tell)["queues"]

    assert 3600 <= row["oldest_due"] < 7000
    assert re.search(r" \d+ min$", tell(), re.MULTILINE)


def test_the_rate_counts_what_was_settled_lately(tell, kept, file):
    with sqlite3.connect(file) as connection:  # what the store begins with
        connection.execute("UPDATE jobreg_runs SET finished_at = 1 WHERE finished_at > 0")
    connection.close()
    worker = add_worker(kept)
    for ending in (Ending.SUCCEEDED, Ending.SUCCEEDED, Ending.SUCCEEDED, Ending.ERROR):
        add(kept)
        finish(kept, worker, ending)
    with sqlite3.connect(file) as connection:  # one of them an hour ago
        connection.execute(
            "UPDATE jobreg_runs SET finished_at = finished_at - 3600000000 WHERE run_id ="
            " (SELECT max(run_id) FROM jobreg_runs WHERE state = 'succeeded' AND finished_at > 1)"
        )
    connection.close()

    rates = told(tell)

    assert rates["window"] == 300
    assert rates["per_minute"] == {"succeeded": 0.4, "failed": 0.2, "cancelled": 0.0}


def test_a_rate_beyond_what_is_looked_at_is_that_of_the_youngest(kept, monkeypatch):
    worker = add_worker(kept)
    for _ in range(6):
        add(kept)
        finish(kept, worker)
    monkeypatch.setattr("jobreg.store.reading._LATELY", 5)

    (rate,) = [rate for state, rate in kept.load(300.0).per_minute.items() if state == "succeeded"]

    assert 5 <= rate <= 300  # five in some seconds, not five in five minutes
    assert rate > 1


def test_workers_are_told_with_their_slots(tell, kept):
    add_worker(kept, queues=("mail", "default"))
    busy = add_worker(kept)
    claim_one(kept, busy)

    workers = told(tell)["workers"]

    assert [(each["busy"], each["slots"], each["queues"]) for each in workers] == [
        (0, 2, ["mail", "default"]),
        (1, 2, []),
    ]
    assert {each["state"] for each in workers} == {"live"}
    assert all(0 <= each["beat_age"] < 60 for each in workers)


def test_a_silent_worker_is_dead(tell, kept, file):
    add_worker(kept)
    with sqlite3.connect(file) as connection:
        connection.execute(
            "UPDATE jobreg_workers SET expires_at = 1, beat_at = beat_at - 7200000000"
        )
    connection.close()

    (worker,) = told(tell)["workers"]

    assert (worker["state"], worker["beat_age"] // 3600) == ("dead", 2)


def test_a_clock_that_was_set_back_makes_no_negative_age(tell, kept, file):
    add_worker(kept)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE jobreg_workers SET beat_at = beat_at + 7200000000")
    connection.close()

    (worker,) = told(tell)["workers"]

    assert worker["beat_age"] == 0


def test_people_see_tables_that_fit(tell, kept):
    add(kept, "j" * 128, queue="q" * 64)
    add_worker(kept, queues=("a" * 64, "b" * 64))

    out = tell()

    assert max(map(len, out.splitlines())) <= 80
    assert "OLDEST DUE" in out
    assert "In all: 2 queued, 0 running, 0 scheduled" in out
    assert "0/2" in out


def test_nothing_at_all_is_told_too(file, capsys, tmp_path):
    missing, empty = tmp_path / "missing.db", tmp_path / "empty.db"
    open_store(f"sqlite:///{empty}").close()

    codes = [run(["status", "--store", str(each)]) for each in (missing, empty)]

    assert codes == [0, 0]
    out = capsys.readouterr().out
    assert f"There is no store at sqlite:///{missing} yet" in out
    assert "Nothing waits and nothing runs." in out
    assert "No worker is running. Start one: jobreg worker" in out
    assert not missing.exists()


def test_a_store_that_is_not_there_has_the_fields_of_an_empty_one(capsys, tmp_path):
    missing, empty = tmp_path / "missing.db", tmp_path / "empty.db"
    open_store(f"sqlite:///{empty}").close()

    told = []
    for each in (missing, empty):
        run(["status", "--json", "--store", str(each)])
        told.append(json.loads(capsys.readouterr().out))

    assert told[0] == told[1]


def test_it_is_quick_behind_a_long_history(tell, kept, file):
    with sqlite3.connect(file) as connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
            "INSERT INTO jobreg_runs (run_id, job_name, params, queue, priority, tags, created_at,"
            " scheduled_at, state, attempt, tries, crashes, finished_at)"
            "SELECT printf('%032x', i), 'old.job', '{}', 'default', 0, '[]', i, i, 'succeeded',"
            " 1, 1, 0, i FROM n"
        )
    connection.close()

    def seconds() -> float:
        began = time.perf_counter()
        kept.load(300.0)
        kept.workers()
        kept.busy()
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) < 0.1
    assert told(tell)["queues"][0]["queued"] == 1


def plan(kept, statement, **bound):
    """How SQLite would go about it."""
    with kept.reading() as connection:
        compiled = statement.compile(connection, compile_kwargs={"render_postcompile": True})
        sql = f"EXPLAIN QUERY PLAN {compiled}"
        values = tuple((compiled.params | bound)[name] for name in compiled.positiontup or ())
        return [row[3] for row in connection.exec_driver_sql(sql, values)]


def test_no_question_scans_the_runs(kept):
    from jobreg.store import finding, reading_statements

    plans = {
        "depths": plan(kept, reading_statements.depths(kept.now)),
        "busy": plan(kept, reading_statements.busy_slots()),
        "lately": plan(kept, reading_statements.settled_lately(kept.now), most=9, window=9),
        "ids": plan(kept, reading_statements.ids_between(), first="a", last="b", most=2),
    }
    page = finding.page_of_runs("due", ("live_state", "job_name"))
    for state in ("queued", "scheduled", "running"):
        asked = {"live_state": state, "job_name": "a", "at": 9, "before": 9, "most": 9}
        plans[state] = plan(kept, page, **asked)

    for steps in plans.values():
        assert not any(step.startswith("SCAN jobreg_runs") for step in steps), plans
        for history in ("jobreg_runs_by_job", "INTEGER PRIMARY KEY (rowid<?)"):
            assert not any(history in step for step in steps), plans
    assert any("COVERING INDEX jobreg_live_heads" in step for step in plans["depths"])
