"""AsyncClient: the verbs of Client for asyncio, thin, and in the caller's transaction too."""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from store_hands import add_worker, finish, states
from waiting import until

from jobreg import (
    AsyncClient,
    AsyncRun,
    BadInput,
    Client,
    Conflict,
    Registry,
    Run,
    RunFailed,
    StoreUnavailable,
    UnknownRun,
    WaitTimeout,
)
from jobreg.lifecycle import Ending

NAME = "reports.render"
DRIVERS = {
    "sqlite": ("sqlite+aiosqlite",),
    "postgresql": ("postgresql+psycopg", "postgresql+asyncpg"),
    "mysql": ("mysql+aiomysql",),
}


@pytest.fixture
def client(store_url: str, registry: Registry) -> Iterator[AsyncClient]:
    made = AsyncClient(store=store_url, registry=registry)
    yield made
    made.client.close()


def verbs(kind: type) -> dict[str, Any]:
    return {
        name: inspect.signature(verb)
        for name, verb in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


@pytest.mark.parametrize(
    ("of", "to", "inner"),
    [
        (Client, AsyncClient, {"has_store", "request", "ready", "log_steps", "forget_jobs"}),
        (Run, AsyncRun, set()),
    ],
)
def test_every_verb_has_its_namesake_with_the_same_arguments(of, to, inner):
    theirs, ours = verbs(of), verbs(to)

    assert set(theirs) - inner == set(ours) - {"do"}
    for name in set(theirs) - inner:
        assert list(theirs[name].parameters.values()) == [
            each.replace(annotation=theirs[name].parameters[each.name].annotation)
            for each in ours[name].parameters.values()
        ], name


def test_the_way_of_a_run(client):
    async def main():
        run = await client.submit(NAME, {"n": 1}, tags=["a"])
        worker = await client.do(add_worker, client.client.store)
        waiting = asyncio.create_task(run.result(timeout=30))
        await asyncio.sleep(0)
        await client.do(finish, client.client.store, worker)
        return run, await waiting, await run.attempts(), [line async for line in run.logs()]

    run, result, attempts, logs = asyncio.run(main())

    assert (run.state, result, len(attempts), logs) == ("succeeded", "done", 1, [])
    assert repr(run) == f"<AsyncRun {run.id} {NAME} succeeded>"


def test_the_verbs_do_what_those_of_client_do(client):
    async def main():
        runs = await client.submit_many([(NAME, {"n": n}) for n in range(130)])
        found = [run.id async for run in client.find(job_name=NAME)]
        few = [run.id async for run in client.find(limit=3)]
        page, cursor = await client.page(limit=2)
        rest, _ = await client.page(limit=2, cursor=cursor)
        cancelled = await client.cancel(runs[0].id)
        again = await cancelled.retry()
        with pytest.raises(Conflict):
            await client.retry(again)
        with pytest.raises(WaitTimeout, match=r"was still queued after 0\.05 s"):
            await again.wait(timeout=0.05)
        got = await client.get(runs[5].id)
        assert await client.find_id(got.id) == got.id
        assert await got.waiting_on() is not None
        return runs, found, few, page, rest

    runs, found, few, page, rest = asyncio.run(main())

    ids = [run.id for run in runs][::-1]
    assert (found, few) == (ids, ids[:3])
    assert [run.id for run in page + rest] == ids[:4]


def test_a_failed_run_raises_as_in_client(client):
    async def main():
        worker = await client.do(add_worker, client.client.store)
        run = await client.submit(NAME)
        await client.do(finish, client.client.store, worker, Ending.ERROR)
        with pytest.raises(RunFailed, match="ValueError: no"):
            await run.result()

    asyncio.run(main())


def test_many_tasks_wait_with_few_threads_and_few_questions(client, monkeypatch):
    asked = 0
    several = client.client.store.several

    def count(ids):
        nonlocal asked
        asked += 1
        return several(ids)

    monkeypatch.setattr(client.client.store, "several", count)

    async def main():
        runs = await client.submit_many([(NAME, {"n": n}) for n in range(300)])
        before = threading.active_count()
        tasks = [asyncio.create_task(run.wait(timeout=60)) for run in runs]
        await asyncio.sleep(0.1)
        threads = threading.active_count() - before
        for run in runs:
            await run.cancel()
        return threads, {(await task).state for task in tasks}

    threads, ended = asyncio.run(main())

    assert ended == {"cancelled"}
    assert threads < 10
    assert asked < 300


def test_a_task_that_gives_up_leaves_nothing_behind(client):
    async def main():
        run = await client.submit(NAME)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await run.wait()
        looking = client._awaited._looking
        async with asyncio.timeout(10):
            await looking
        return await client.get(run.id)

    assert asyncio.run(main()).state == "queued"
    assert asyncio.run(main()).state == "queued"  # in another event loop


def test_the_event_loop_goes_on_while_the_store_is_busy(client, monkeypatch):
    get, held = client.client.store.get, threading.Event()

    def slowly(run_id):
        held.wait(10)
        return get(run_id)

    async def main():
        run = await client.submit(NAME)
        monkeypatch.setattr(client.client.store, "get", slowly)
        task = asyncio.create_task(run.refresh())
        begun = time.monotonic()
        for _ in range(5):
            await asyncio.sleep(0)
        assert not task.done()
        held.set()
        await task
        return time.monotonic() - begun

    assert asyncio.run(main()) < 10


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("kind", ["connection", "session"])
def test_a_commit_makes_the_run_and_a_rollback_leaves_none(client, kind, which):
    url = make_url(client.client.store.full_url)
    drivers = DRIVERS[url.get_backend_name()]
    engine = create_async_engine(url.set(drivername=drivers[which % len(drivers)]))

    async def main():
        for end in ("rollback", "commit"):
            given = AsyncSession(engine) if kind == "session" else await engine.connect()
            await given.execute(text("SELECT 1"))
            await client.submit(NAME, {"n": 1}, connection=given)
            await client.submit_many([(NAME, None), (NAME, None)], connection=given)
            seen = await client.do(states, client.client.store)
            await getattr(given, end)()
            await given.close()

            assert seen == {}
            left = await client.do(states, client.client.store)
            assert left == ({} if end == "rollback" else {"queued": 3})
        await engine.dispose()

    asyncio.run(main())


def test_a_connection_that_is_not_of_asyncio_is_refused(client):
    with pytest.raises(BadInput, match="neither an AsyncConnection nor an AsyncSession"):
        asyncio.run(client.submit(NAME, connection=object()))


def within(seconds: float, coroutine: Any) -> Any:
    async def bounded():
        async with asyncio.timeout(seconds):
            return await coroutine

    return asyncio.run(bounded())


def test_who_waits_for_a_run_of_a_store_that_cannot_be_opened_is_told(tmp_path, registry):
    (tmp_path / "file").touch()
    client = AsyncClient(f"sqlite:///{tmp_path}/file/jobs.db", registry)

    with pytest.raises(StoreUnavailable, match="Not a directory"):
        within(10, client.wait_for(str(uuid4())))


@pytest.mark.parametrize("wrong", [None, "nonsense", "\ud800", 5])
def test_who_waits_for_what_is_no_run_does_not_trouble_others(client, wrong):
    async def main():
        run = await client.submit(NAME)
        waiting = asyncio.create_task(run.wait())
        with pytest.raises(BadInput, match="is not a UUID"):
            await client.wait_for(wrong)
        worker = await client.do(add_worker, client.client.store)
        await client.do(finish, client.client.store, worker)
        return (await waiting).state, (await client.wait_for(UUID(run.id.upper()))).state

    assert within(20, main()) == ("succeeded", "succeeded")


def test_a_client_that_was_used_before_a_fork_is_used_after_it(client):
    run = asyncio.run(client.submit(NAME))

    def in_the_child():
        assert within(10, client.get(run.id)).state == "queued"

    process = multiprocessing.get_context("fork").Process(target=in_the_child)
    process.start()
    process.join(30)

    assert process.exitcode == 0


def test_what_is_wrong_is_told_as_by_the_other_client_and_no_thread_is_left(tmp_path, registry):
    store, before = str(tmp_path / "jobs.db"), set(threading.enumerate())
    beside = AsyncClient(store, registry)
    there = beside.client.store.url

    async def main():
        async with beside:
            with pytest.raises(UnknownRun, match=rf"No run 0.* in the store {there}\. See: "):
                await beside.wait_for("00000000-0000-4000-8000-000000000000")
            with pytest.raises(BadInput, match="runs: a int is not a list of runs to submit"):
                await beside.submit_many(5, connection=object())

    asyncio.run(main())

    until(lambda: set(threading.enumerate()) <= before)
