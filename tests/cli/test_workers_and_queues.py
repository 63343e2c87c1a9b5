"""What the commands tell of workers and pauses, and that a worker does what it is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from crash_house import House
from waiting import pids_in, until

from jobreg.lifecycle import RunRecord, State
from jobreg.request import new_run_id


@pytest.fixture
def house(tmp_path, fake_plugins, warm):
    made = House(tmp_path, fake_plugins, warm)
    yield made
    made.close()


@pytest.fixture
def jobreg(house, run_cli):
    def call(*arguments):
        return run_cli(*arguments, "--store", house.file("jobs.db"), env=house.plugins.env())

    return call


def test_a_worker_is_listed_and_drained_from_elsewhere(house, jobreg):
    worker = house.worker()
    run = house.client.submit("hostile.until_stopping", {"file": house.file("pids")})
    until(lambda: pids_in(Path(house.file("pids"))))

    (listed,) = json.loads(jobreg("workers", "list", "--json").stdout)["workers"]
    plain = jobreg("workers", "list").stdout
    asked = jobreg("workers", "drain", listed["worker_id"][:13])

    assert (listed["state"], listed["busy"], listed["slots"]) == ("live", 1, 2)
    assert (listed["pid"], listed["lease"]) == (worker.pid, 30.0)
    assert "hostile.echo" in listed["names"]
    assert listed["worker_id"] in plain
    assert all(len(line) <= 80 for line in plain.splitlines())
    assert asked.stdout == f"asked to drain: {listed['worker_id']}\n"
    assert worker.wait(10) == 0
    assert run.refresh().result() == "stopped in time"


def test_the_ids_of_workers_are_whole_in_80_columns(house, jobreg):
    house.worker()
    with house.client.store.writing() as connection:
        long = "a-host-with-a-very-long-name.of.a-data-centre.example.org"
        connection.exec_driver_sql(f"UPDATE jobreg_workers SET host = '{long}'")

    lines = jobreg("workers", "list").stdout.splitlines()

    (row,) = house.rows()
    assert lines[1].startswith(row.worker_id)
    assert max(map(len, lines)) <= 80


def test_a_draining_worker_says_so(house, jobreg):
    worker = house.worker("--grace", "1h")
    house.client.submit("hostile.spins", {"file": house.file("pids")})
    until(lambda: pids_in(Path(house.file("pids")), 2))

    told = json.loads(jobreg("workers", "drain", "--all", "--json").stdout)

    until(lambda: house.rows()[0].condition == "draining", 10, "it says that it drains")
    (row,) = json.loads(jobreg("status", "--json").stdout)["workers"]
    assert (row["state"], told["asked"]) == ("draining", [row["worker_id"]])
    worker.kill()


def test_nobody_is_there_to_drain(jobreg):
    done = jobreg("workers", "drain", "--all", "--json")

    assert (done.returncode, json.loads(done.stdout)) == (0, {"asked": []})
    assert "No live worker was there to ask" in jobreg("workers", "drain", "--all").stdout
    assert "No worker is running" in jobreg("workers", "list").stdout


def test_a_paused_job_waits_and_says_why_and_goes_on(house, jobreg):
    paused = jobreg("queues", "pause", "hostile.echo", "--job")
    again = json.loads(jobreg("queues", "pause", "hostile.echo", "--job", "--json").stdout)
    house.worker()
    held = house.client.submit("hostile.echo", {"value": 1})
    other = house.client.submit("hostile.add", {"a": 40})
    assert other.result(20) == 42

    why = jobreg("runs", "why", held.id).stdout
    listed = json.loads(jobreg("queues", "list", "--json").stdout)["paused"]
    plain = jobreg("queues", "list").stdout

    assert paused.stdout == "job hostile.echo is paused.\n"
    assert (again["state"], again["changed"]) == ("paused", False)
    assert held.refresh().state is State.QUEUED
    assert held.waiting_on() == "somebody to resume job 'hostile.echo', which is paused"
    assert "The job 'hostile.echo' was paused" in why
    assert "jobreg queues resume hostile.echo --job" in why
    assert [(each["kind"], each["name"]) for each in listed] == [("job", "hostile.echo")]
    assert "hostile.echo" in plain
    assert jobreg("queues", "resume", "hostile.echo", "--job").stdout == (
        "job hostile.echo is resumed.\n"
    )
    assert held.result(20) == 1
    assert jobreg("queues", "list").stdout == "Nothing is paused.\n"


def test_a_job_that_nobody_knows_is_not_paused(house, jobreg):
    house.client.store.insert([RunRecord(run_id=new_run_id(), job_name="left.over")])

    wrong = jobreg("queues", "pause", "hostile.ech", "--job", "--json")
    only_runs = jobreg("queues", "pause", "left.over", "--job")
    queue = jobreg("queues", "pause", "hostile.ech")

    assert (wrong.returncode, wrong.stdout) == (3, "")
    assert "Did you mean 'hostile.echo'" in wrong.stderr
    assert only_runs.stdout == "job left.over is paused.\n"
    assert queue.stdout == "queue hostile.ech is paused.\n"
    assert {(each.kind, each.name) for each in house.client.store.pauses()} == {
        ("job", "left.over"),
        ("queue", "hostile.ech"),
    }


def test_a_job_that_only_others_have_is_paused_from_where_it_is_not_installed(house, run_cli):
    house.worker()
    until(lambda: any("hostile.add" in each.names for each in house.client.store.workers()))
    there = ("--store", house.file("jobs.db"))

    by_a_worker = run_cli("queues", "pause", "hostile.add", "--job", *there)
    house.client.submit("hostile.echo", {"value": 1}).result(20)
    wrong = run_cli("queues", "pause", "hostile.ech", "--job", *there)

    assert by_a_worker.stdout == "job hostile.add is paused.\n"
    assert wrong.returncode == 3
    assert "Did you mean 'hostile.echo'" in wrong.stderr
