"""A job's own writes and its completion are one commit, whatever dies when, on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from waiting import pids_in, until

from jobreg import Client, Registry
from jobreg.lifecycle import Ending, State


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def client(request: pytest.FixtureRequest, tmp_path: Path, registry: Registry) -> Iterator[Client]:
    on_file = request.param == "sqlite"
    url = str(tmp_path / "jobs.db") if on_file else request.getfixturevalue(request.param).fresh()
    made = Client(url, registry)
    with made.store.writing() as connection:
        connection.execute(text("CREATE TABLE effects (run_id VARCHAR(36), attempt INTEGER)"))
    yield made
    made.close()


def effects(client: Client) -> list[int]:
    """The attempts whose effect was kept."""
    with client.store.reading() as connection:
        return list(connection.execute(text("SELECT attempt FROM effects")).scalars())


@pytest.mark.parametrize("how", ["core", "session", "driver"])
def test_effect_and_completion_are_committed_together(
    client: Client, start_worker: Any, how: str
) -> None:
    start_worker()

    run = client.submit("hostile.books", {"how": how})

    assert run.result(20) == "booked"
    assert effects(client) == [1]
    (attempt,) = run.attempts()
    assert (attempt.outcome, attempt.provider and attempt.provider.dist) == (
        Ending.SUCCEEDED, "hostile",
    )  # fmt: skip
    assert run.record.worker_id is not None


@pytest.mark.parametrize(
    ("then", "outcomes"),
    [
        ("raise", [Ending.ERROR, Ending.SUCCEEDED]),
        ("before", [Ending.CRASHED, Ending.SUCCEEDED]),
        ("after", [Ending.SUCCEEDED]),
    ],
)
def test_what_dies_before_the_commit_leaves_nothing_and_after_it_all(
    client: Client, start_worker: Any, then: str, outcomes: list[Ending]
) -> None:
    start_worker()

    run = client.submit("hostile.books", {"then": then}, max_attempts=2)
    if then == "raise":
        until(lambda: run.refresh().state is State.SCHEDULED or run.state.final)

    assert run.result(20) == "booked"
    assert [each.outcome for each in run.attempts()] == outcomes
    counted = outcomes.count(Ending.ERROR), outcomes.count(Ending.CRASHED)
    assert (run.record.tries, run.record.crashes) == counted
    assert effects(client) == [len(outcomes)]


def test_a_result_that_cannot_be_stored_takes_the_effect_back(
    client: Client, start_worker: Any
) -> None:
    start_worker()

    run = client.submit("hostile.books", {"then": "set"}).wait(20)

    assert (run.state, run.error and run.error.type) == (State.FAILED, "ResultRefused")
    assert effects(client) == []


def test_a_job_that_was_overtaken_cannot_commit(
    client: Client, start_worker: Any, tmp_path: Path
) -> None:
    start_worker(concurrency=1, lease="2s")
    flag, file = tmp_path / "flag", tmp_path / "pids"
    asked = {"flag": str(flag), "file": str(file)}
    run = client.submit("hostile.books", asked)
    until(lambda: pids_in(file))
    with client.store.writing() as connection:  # as if another had taken the run
        connection.execute(
            text("UPDATE jobreg_live SET attempt = 7 WHERE run_id = :id"), {"id": run.id}
        )

    flag.touch()

    # The stray attempt is found and given back; the next one does it all.
    assert run.result(20) == "booked"
    assert effects(client) == [8]


def test_progress_that_is_said_within_is_kept(client: Client, start_worker: Any) -> None:
    start_worker()

    run = client.submit("hostile.books", {"then": "progress"})

    assert run.result(20) == "booked"
    assert run.progress is not None
    assert run.progress.done == 7


@pytest.mark.parametrize("client", ["sqlite"], indirect=True)
@pytest.mark.parametrize("engine", ["", "_in_a_thread"])
def test_a_run_that_keeps_the_file_locked_ends_before_the_lease_of_its_worker_does(
    client: Client, start_worker: Any, tmp_path: Path, engine: str
) -> None:
    start_worker(concurrency=2, lease="2s", kill_grace=0.1)
    beside = client.submit("hostile.waits_for", {"file": f"{tmp_path}/n", "flag": f"{tmp_path}/go"})
    until(lambda: pids_in(tmp_path / "n"))

    run = client.submit(f"hostile.locks_the_store{engine}", {"file": f"{tmp_path}/f"})
    until(lambda: run.refresh().state.final, 20)
    (tmp_path / "go").touch()

    assert run.error is not None
    assert "It kept the database file locked" in run.error.message
    if not engine:  # a thread that sleeps is not interrupted, but killed with its process
        assert "time.sleep(seconds)" in run.error.traceback
    assert [each.outcome for each in run.attempts()] == [Ending.TIMEOUT]
    assert beside.result(20) == "seen"
    assert [each.outcome for each in beside.attempts()] == [Ending.SUCCEEDED]
    assert effects(client) == []
