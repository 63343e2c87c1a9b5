"""The way of a run through a worker on each server: the tests of SQLite, and what is added."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_worker import (  # noqa: F401
    test_a_capped_job_runs_no_more_than_its_cap_over_all_workers,
    test_a_delayed_run_starts_when_it_is_due_and_at_most_a_second_late,
    test_a_failed_run_keeps_type_message_and_traceback,
    test_a_job_can_submit_to_its_workers_store,
    test_a_run_goes_from_submit_to_its_result,
    test_an_error_is_tried_again_with_backoff_and_its_attempts_are_kept,
    test_higher_priority_runs_first,
    test_one_run_can_be_executed_here_and_now,
    test_progress_can_be_read_while_the_job_runs,
    test_until_idle_ends_when_nothing_is_left_that_it_may_run,
)
from waiting import until

from jobreg import Client, Registry, Worker
from jobreg.lifecycle import Ending, State
from jobreg.options import JobOptions
from jobreg.store import database, listening
from jobreg.store.postgresql import PostgreSQL


@pytest.fixture(params=["postgres", "mysql"])
def client(request: pytest.FixtureRequest, registry: Registry) -> Iterator[Client]:
    made = Client(request.getfixturevalue(request.param).fresh(), registry)
    yield made
    made.close()


def worker_process(client: Client, fake_plugins: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "jobreg", "worker", "--concurrency", "2"]
    return subprocess.Popen(
        command,
        env=fake_plugins.env(JOBREG_STORE=client.settings.store),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def test_the_runs_of_a_killed_worker_are_taken_over(
    client: Client, fake_plugins: Any, tmp_path: Path
) -> None:
    file = tmp_path / "pids"
    run = client.submit("hostile.spins", {"file": str(file)}, max_crashes=2)
    first = worker_process(client, fake_plugins)
    second = None
    try:
        until(lambda: run.refresh().state is State.RUNNING, what="the first worker runs it")
        first.kill()
        first.wait()
        begun = time.monotonic()

        second = worker_process(client, fake_plugins)

        until(lambda: run.refresh().attempt == 2, what="the second worker runs it")
        assert time.monotonic() - begun < 15
        assert [each.outcome for each in run.attempts()] == [Ending.CRASHED]
        run.cancel()
        assert run.wait(20).state is State.CANCELLED
    finally:
        for worker in (first, second):
            if worker is not None:
                worker.kill()
                worker.wait()


def test_a_retry_does_not_wait_for_the_next_look_at_the_schedule(
    client: Client, start_worker: Any
) -> None:
    worker = start_worker()
    until(lambda: getattr(worker._watch, "_sure", True), what="it hears what it is told")
    begun = time.monotonic()

    run = client.submit("hostile.third_time_lucky")

    assert run.result(30) == 3
    assert time.monotonic() - begun < 5


def test_a_retry_by_hand_is_told_to_an_idle_worker(client: Client, start_worker: Any) -> None:
    worker = start_worker()
    run = client.submit("hostile.raises").wait(20)
    until(lambda: getattr(worker._watch, "_sure", True), what="it hears what it is told")
    begun = time.monotonic()

    run.retry()
    until(lambda: run.refresh().attempt == 2 and run.state.final, 30)

    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("client", ["postgres"], indirect=True)
def test_a_worker_goes_on_when_the_connection_is_torn_down_on_which_it_claims(
    client: Client, start_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = start_worker()
    until(lambda: worker._watch.lent, what="it hears what it is told")
    claim_told, torn = PostgreSQL.claim_told, list[object]()

    def torn_down(self: Any, lent: Any, *arguments: Any) -> Any:
        if not torn:
            torn.append(lent)
            lent.execute("SELECT pg_terminate_backend(pg_backend_pid())", ())
        return claim_told(self, lent, *arguments)

    monkeypatch.setattr(PostgreSQL, "claim_told", torn_down)

    def is_told() -> bool:
        assert client.submit("hostile.echo", {"value": 1}).result(20) == 1
        return bool(torn)

    until(is_told, 20)

    until(lambda: worker._watch.lent not in (None, *torn), 20, "it listens again")
    assert client.submit("hostile.echo", {"value": 2}).result(20) == 2


def test_a_worker_goes_on_when_its_server_was_restarted(
    request: pytest.FixtureRequest, client: Client, start_worker: Any
) -> None:
    databases = request.getfixturevalue(
        "postgres" if "postgres" in client.settings.store else "mysql"
    )
    if databases.server is None:
        pytest.skip("the server is the user's own")
    start_worker()
    assert client.submit("hostile.echo", {"value": 1}).result(20) == 1

    for number in (signal.SIGKILL, None):
        databases.server.stop(number)
        databases.server.start()
        begun = time.monotonic()
        run = until(lambda: submitted(client), what="a submit is taken again")

        assert client.get(run).wait(20).state is State.SUCCEEDED
        assert time.monotonic() - begun < 15


def submitted(client: Client) -> str | None:
    from jobreg import StoreUnavailable

    try:
        return client.submit("hostile.echo", {"value": os.getpid()}).id
    except StoreUnavailable:
        return None


def test_a_run_is_begun_soon_after_it_was_submitted(client: Client, start_worker: Any) -> None:
    start_worker()
    client.submit("hostile.echo", {"value": 0}).result(20)
    waited = []

    for number in range(5):
        begun = time.monotonic()
        client.submit("hostile.echo", {"value": number}).result(20)
        waited.append(time.monotonic() - begun)

    assert max(waited) < 2.5


@pytest.fixture
def told_only(postgres: Any, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client on PostgreSQL, where no worker looks by itself for an hour."""
    monkeypatch.setattr(database.Poll, "_IDLE", 3600.0)
    return Client(f"{postgres.fresh()}?schema=public", registry)


def listeners(client: Client) -> list[int]:
    with client.store.reading() as connection:
        return list(
            connection.exec_driver_sql(
                "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%%' AND "
                "datname = current_database()"
            ).scalars()
        )


@pytest.mark.parametrize("delay", [None, 0.5])
def test_on_postgresql_a_worker_is_told_of_a_submit(told_only: Client, delay: Any) -> None:
    with Worker(told_only.store, registry=told_only.registry, concurrency=1):
        until(lambda: listeners(told_only), what="the worker listens")
        told_only.submit("hostile.echo", {"value": 0}).result(20)

        for number in range(3):
            run = told_only.submit("hostile.echo", {"value": number}, delay=delay)
            assert run.result(4) == number


def test_on_postgresql_an_idle_worker_takes_what_it_is_told_of_before_it_looks(
    told_only: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where it cannot take that by the word alone, it looks, and takes it all the same."""
    store, done = told_only.store, list[str]()
    due, claim = store.due, store.claim

    def looks() -> list[tuple[str, str]]:
        done.append("looks")
        return due()

    def takes(*asked: Any, **options: Any) -> Any:
        taken = claim(*asked, **options)
        if taken:
            done.append("takes")
        return taken

    monkeypatch.setattr(store, "due", looks)
    monkeypatch.setattr(store, "claim", takes)
    with Worker(store, registry=told_only.registry, concurrency=1) as worker:
        told_only.submit("hostile.echo", {"value": 0}).result(20)
        until(lambda: worker._watch.pause(False) > 5, what="it has heard its own word")
        until(lambda: not worker._look and not worker.settler.holds, what="it is idle")
        done.clear()

        told_only.submit("hostile.echo", {"value": 1}).result(4)
        first = done[0]
        until(lambda: not worker._look and not worker.settler.holds, what="it is idle")
        told_only.store.catalogue.override("hostile.echo", {"concurrency": 1})
        until(lambda: worker.ownership.options("hostile.echo", JobOptions()).concurrency == 1, 10)
        until(lambda: not worker._look, what="it is idle")
        done.clear()
        told_only.submit("hostile.echo", {"value": 2}).result(4)

    assert first == "takes"
    assert done[:2] == ["looks", "takes"]


def test_on_postgresql_a_worker_listens_again_when_it_lost_its_ear(
    told_only: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening.Listener, "_AGAIN", 0.1)
    with Worker(told_only.store, registry=told_only.registry, concurrency=1):
        (before,) = until(lambda: listeners(told_only), what="the worker listens")
        with told_only.store.writing() as connection:
            connection.exec_driver_sql(f"SELECT pg_terminate_backend({before})")

        (after,) = until(lambda: [pid for pid in listeners(told_only) if pid != before])

        assert after != before
        assert told_only.submit("hostile.echo", {"value": 1}).result(10) == 1


def test_on_postgresql_a_submit_says_one_word_for_all_its_runs(told_only: Client) -> None:
    import psycopg

    url = told_only.settings.store.partition("?")[0]
    with psycopg.connect(url, autocommit=True) as ear:
        ear.execute('LISTEN "jobreg in public"')

        told_only.submit_many([("hostile.echo", {"value": each}) for each in range(50)])

        heard = list(ear.notifies(timeout=2, stop_after=1)) + list(ear.notifies(timeout=0.1))
    assert len(heard) == 1
