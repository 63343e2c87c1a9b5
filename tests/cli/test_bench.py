"""The short table of figures, as a user asks for it, on each database."""

from __future__ import annotations

import json
import os

import pytest
from store_hands import everything

from jobreg.bench.checker import FAULTS, check
from jobreg.bench.jobs import noop
from jobreg.errors import StoreError
from jobreg.store import open_store, raw

NAME = "bench.noop"
FEW = ["bench", "--runs", "100"]

WRONG = """
import jobreg.bench.jobs as jobs

jobs.noop.__code__ = (lambda number: [number + (number == 7), os.getpid()]).__code__
"""


def test_it_measures_on_each_database_and_leaves_the_store_as_it_is(run_cli, store_url):
    store = open_store(store_url)
    before = everything(store)

    done = run_cli(*FEW, "--json", "--store", store_url, timeout=120)

    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert list(told) == ["good", "database", "runs", "concurrency", "seconds", "submit",
                          "submit_many", "drain", "submit_to_start", "faults"]  # fmt: skip
    assert (told["good"], told["runs"]) == (True, 100)
    assert told["database"].startswith(store.engine.dialect.name)
    for name in ("submit", "submit_many", "drain"):
        ours, driver, ratio = told[name].values()
        assert ours > 0
        assert driver > 0
        assert ratio == pytest.approx(ours / driver, rel=0.1, abs=0.002)
    assert 0 <= told["submit_to_start"]["p50_ms"] <= told["submit_to_start"]["p95_ms"] < 5000
    assert told["faults"] == {name: [] for name in FAULTS}
    assert everything(store) == before
    store.close()


def test_the_table_for_people_fits_and_nothing_is_left_beside_the_store(run_cli, tmp_path):
    (tmp_path / "there").mkdir()
    done = run_cli(*FEW, "--store", str(tmp_path / "there" / "data" / "of" / "jobs.db"))

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line[:20].rstrip() for line in lines if "/s" in line or " ms" in line] == [
        "submit one by one", "submit_many", "drain", "submit to start, p50",
        "submit to start, p95",
    ]  # fmt: skip
    assert lines[-1] == "Every run was done once, in a child, with the right result."
    assert list((tmp_path / "there").iterdir()) == []


def test_a_wrong_result_is_named_and_the_exit_code_is_1(run_cli, fake_plugins, tmp_path):
    (fake_plugins.path / "sitecustomize.py").write_text(WRONG)
    environ = fake_plugins.env(JOBREG_STORE=str(tmp_path / "jobs.db"))

    done = run_cli(*FEW, env=environ)

    assert done.returncode == 1
    assert "Every run" not in done.stdout
    (row,) = (line.split() for line in done.stdout.splitlines() if line.startswith("wrong result "))
    # one of those that measured the latency, one submitted by itself, one of the many
    assert row[2] == "3"
    assert done.stdout.count("\nwrong result: ") == 3


def test_what_the_settings_say_of_queues_and_of_keeping_runs_does_not_matter(
    run_cli, fake_plugins, tmp_path
):
    environ = fake_plugins.env(
        JOBREG_STORE=str(tmp_path / "jobs.db"), JOBREG_QUEUES="mail", JOBREG_RETAIN="succeeded=0",
        JOBREG_SQLITE_SYNC="full", JOBREG_CONCURRENCY="1",
    )  # fmt: skip

    done = run_cli(*FEW, "--json", env=environ)

    told = json.loads(done.stdout)
    assert (done.returncode, told["good"]) == (0, True)
    assert (told["database"], told["concurrency"]) == ("sqlite, synchronous full", 1)


@pytest.fixture
def drained(store_url):
    """A store with three runs done by the plain driver, and what was submitted."""
    store = open_store(store_url)
    with raw.driver(store) as driver:
        pairs = raw.queued(NAME, 3)
        driver.insert(pairs[:1])
        driver.insert_many(pairs[1:])
        driver.drain(NAME)
    with store.writing() as connection:
        for number, (asked, _) in enumerate(pairs):
            connection.exec_driver_sql(
                f"UPDATE jobreg_runs SET result = '[{number}, 1]' WHERE run_id = '{asked[0]}'"
            )
    yield store, {asked[0]: number for number, (asked, _) in enumerate(pairs)}
    store.close()


def test_what_the_plain_driver_does_is_whole(drained):
    store, submitted = drained

    assert check(store, NAME, submitted) == {name: [] for name in FAULTS}
    assert sum(store.counts().values()) == store.counts()["succeeded"] == 3
    (attempt,) = store.attempts(next(iter(submitted)))
    assert (attempt.number, attempt.outcome) == (1, "succeeded")


@pytest.mark.parametrize(
    ("fault", "plant"),
    [
        ("missing", "DELETE FROM jobreg_runs WHERE run_id = '{}'"),
        ("not succeeded", "UPDATE jobreg_runs SET state = 'failed' WHERE run_id = '{}'"),
        ("not succeeded", "UPDATE jobreg_runs SET state = NULL WHERE run_id = '{}'"),
        ("attempts", "UPDATE jobreg_runs SET attempt = 2 WHERE run_id = '{}'"),
        ("attempts", "DELETE FROM jobreg_attempts WHERE run_id = '{}'"),
        ("attempts", "UPDATE jobreg_attempts SET outcome = 'lost' WHERE run_id = '{}'"),
        ("attempts", "INSERT INTO jobreg_attempts (run_id, attempt, outcome, worker_id, host, "
         "finished_at) VALUES ('{}', 2, 'succeeded', 'w', 'h', 1)"),
        ("not in a child", "UPDATE jobreg_runs SET result = '[1, OURS]' WHERE run_id = '{}'"),
        ("wrong result", "UPDATE jobreg_runs SET result = '[2, 1]' WHERE run_id = '{}'"),
        ("wrong result", "UPDATE jobreg_runs SET result = NULL WHERE run_id = '{}'"),
    ],
)  # fmt: skip
def test_each_fault_is_found_by_its_name(drained, fault, plant):
    store, submitted = drained
    victim = list(submitted)[1]
    with store.writing() as connection:
        connection.exec_driver_sql(plant.format(victim).replace("OURS", str(os.getpid())))

    faults = check(store, NAME, submitted)

    assert faults == {name: [victim] if name == fault else [] for name in FAULTS}


def test_the_job_says_what_it_was_given_and_where_it_ran():
    assert noop(7) == [7, os.getpid()]


def test_a_database_that_refuses_the_driver_is_told_in_one_line(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'jobs.db'}")
    with store.writing() as connection:
        connection.exec_driver_sql("DROP TABLE jobreg_live")

    said = "cannot do this: no such table: jobreg_live"
    with pytest.raises(StoreError, match=said), raw.driver(store) as driver:
        driver.insert(raw.queued(NAME, 1))
