"""A database server that is restarted again and again under load: nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hostile_jobs import JOBS, SOURCE
from servers import Databases
from sqlalchemy import text
from waiting import until

from jobreg import Client, Registry, Run, StoreError, StoreUnavailable, SubmitUncertain, Worker
from jobreg.lifecycle import State
from jobreg.request import new_run_id

WITHIN = 5.0
ON_DEMAND = int(os.environ.get("JOBREG_TEST_RESTARTS", "20"))
"""How often the long form restarts the server."""


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Databases:
    found: Databases = request.getfixturevalue("postgres")
    if found.server is None:
        pytest.skip("the server is the user's own")
    return found


@pytest.fixture
def client(
    server: Databases, tmp_path: Path, fake_plugins: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    fake_plugins.add("hostile", "1.0", JOBS, {"hostile_jobs_plugin.py": SOURCE})
    monkeypatch.syspath_prepend(str(fake_plugins.path))
    made = Client(server.fresh(), Registry(path=[str(fake_plugins.path)]))
    with made.store.writing() as connection:
        connection.execute(text("CREATE TABLE effects (run_id VARCHAR(36), attempt INTEGER)"))
    yield made
    made.close()


def submitted(client: Client, job_name: str, **params: Any) -> Run:
    """Submit until the store has said that it took the run."""
    run_id = new_run_id()

    def again() -> Run | None:
        try:
            return client.submit(job_name, params, run_id=run_id, max_attempts=100, max_crashes=100)
        except (StoreUnavailable, SubmitUncertain):  # with one id, it may be asked again
            return None

    return until(again, 30, "the submit is taken")


def in_every_child(client: Client, folder: Path, children: int) -> list[Run]:
    """Let each child import what the jobs need: seconds on a busy machine, and not the server's."""
    flag, marks = folder / "flag", [folder / f"mark {each}" for each in range(children)]
    runs = [submitted(client, "hostile.books", flag=str(flag), file=str(mark)) for mark in marks]
    until(lambda: all(mark.exists() for mark in marks), 60, "each child runs one")
    flag.touch()
    return runs


def see(client: Client, server: Databases, tmp_path: Path, restarts: int) -> None:
    assert server.server is not None
    chance, claimed = random.Random(restarts), []
    with (
        Worker(client.store.full_url, registry=client.registry, concurrency=2),
        Worker(client.store.full_url, registry=client.registry, concurrency=1),
    ):
        runs = in_every_child(client, tmp_path, children=3)
        for _ in range(restarts):
            for number in range(30):
                runs.append(submitted(client, "hostile.echo", value=number))
                if number % 3 == 0:
                    runs.append(submitted(client, "hostile.books"))
            # Killed, torn down at once, or in good order; up again at once.
            server.server.stop(chance.choice([signal.SIGKILL, signal.SIGQUIT, signal.SIGINT]))
            server.server.start()
            back = time.monotonic()
            first = submitted(client, "hostile.echo", value=0)
            until(lambda first=first: begun(first), 2 * WITHIN, "a claim")  # type: ignore[misc]
            claimed.append(time.monotonic() - back)
            runs.append(first)
        for run in runs:
            assert until(lambda run=run: over(run), 120), run  # type: ignore[misc]
    with client.store.reading() as connection:
        booked = list(connection.execute(text("SELECT run_id FROM effects")).scalars())
    print(
        f"\n{restarts} restarts, {len(runs)} runs; first claim after at most {max(claimed):.2f} s"
    )
    assert {run.state for run in runs} == {State.SUCCEEDED}
    assert sorted(booked) == sorted(run.id for run in runs if run.job_name == "hostile.books")
    assert max(claimed) <= WITHIN


def begun(run: Run) -> bool:
    try:
        return run.refresh().state not in (State.QUEUED, State.SCHEDULED)
    except StoreError:
        return False


def over(run: Run) -> bool:
    try:
        return run.refresh().state.final
    except StoreError:
        return False


def test_postgresql_restarted_under_load(client: Client, server: Databases, tmp_path: Path) -> None:
    see(client, server, tmp_path, 3)


def test_after_a_long_outage_a_worker_is_soon_back(
    client: Client, server: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server.server is not None
    waits, outage = list[float](), Worker._wait_out

    def counted(worker: Worker, error: StoreError) -> None:
        steps = list[float]()
        asleep = SimpleNamespace(sleep=lambda each: steps.append(each) or time.sleep(each))
        with monkeypatch.context() as counting:
            counting.setattr("jobreg.worker.worker.time", asleep)
            outage(worker, error)
        waits.append(sum(steps))  # on a busy machine less than it took, and never more

    monkeypatch.setattr(Worker, "_wait_out", counted)
    # The longest it may wait, each time.
    monkeypatch.setattr("jobreg.worker.outage.random.random", lambda: 0.999)
    with Worker(client.store.full_url, registry=client.registry, concurrency=1):
        run = submitted(client, "hostile.echo", value=1)
        until(lambda: over(run), 30, "it works")
        server.server.stop(signal.SIGKILL)
        until(lambda: len(waits) >= 8, 60, "a long outage")
        server.server.start()
        run = submitted(client, "hostile.echo", value=2)
        until(lambda: begun(run), 2 * WITHIN, "a claim")
    assert max(waits) <= WITHIN / 2


@pytest.mark.slow
def test_postgresql_restarted_many_times_under_load(
    client: Client, server: Databases, tmp_path: Path
) -> None:
    see(client, server, tmp_path, ON_DEMAND)
