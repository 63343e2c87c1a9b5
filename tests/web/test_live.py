"""However many follow, the store is asked little; nobody misses anything, also after an outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import pytest
from attrs import evolve
from sqlalchemy import event
from store_hands import JOB, add, add_worker, claim_one, outcome, settle

from jobreg import Client, Registry, StoreUnavailable
from jobreg.catalogue import Entry
from jobreg.lifecycle import Ending, LogChunk, Progress, Provider, RunRecord
from jobreg.options import DEFAULTS
from jobreg.store import LogRow, open_store
from jobreg.web import lately, live as rooms
from jobreg.web.live import Live, News

WITHIN = 20.0


@pytest.fixture
def client(store_url: str) -> Iterator[Client]:
    made = Client(open_store(store_url), Registry(path=[]))
    yield made
    made.close()


@contextmanager
def counted(client: Client) -> Iterator[list[str]]:
    """The statements that the database is sent meanwhile."""
    asked: list[str] = []
    # Where they share their connections, what one is told the other hears as well.
    engines = {each.pool: each for each in (client.store.engine, client.store.database.reader)}

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement != "BEGIN":  # which SQLite's driver is told as a statement
            asked.append(statement)

    for engine in engines.values():
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        for engine in engines.values():
            event.remove(engine, "before_cursor_execute", note)


async def first(following: AsyncGenerator[News | None], fits: Callable[[News], bool]) -> News:
    """The first news that fits."""
    async with asyncio.timeout(WITHIN):
        async for news in following:
            if news is not None and fits(news):
                return news
    raise AssertionError("it ended")


def news_of_runs(news: News) -> bool:
    return bool(news.runs)


def said(run: RunRecord, attempt: int, number: int, text: str) -> LogRow:
    chunk = LogChunk(1_800_000_000_000_000, "stdout", "INFO", None, text)
    return LogRow(run.run_id, attempt, number, (chunk,))


def test_fifty_who_follow_runs_logs_and_the_whole_cost_two_queries_a_second_at_most(
    client, monkeypatch
):
    faster = 4  # as a film is
    for room, name in (
        (rooms, "TURN"), (rooms, "_SOON"), (rooms, "WHOLE_EVERY"), (lately, "WHOLE_EVERY"),
        (lately, "_KEEP_KNOWN"),
    ):  # fmt: skip
        monkeypatch.setattr(room, name, getattr(room, name) / faster)
    worker = add_worker(client.store)
    runs = [add(client.store) for _ in range(25)]
    taken = [claim_one(client.store, worker) for _ in runs]
    seconds = rooms.WHOLE_EVERY

    async def follow(live: Live, number: int, told: list[News]) -> None:
        run = runs[number % 25]
        whole = number % 2 == 0
        async with aclosing(live.follow([run.run_id], log_of=run.run_id, whole=whole)) as following:
            async for news in following:
                if news is not None:
                    told.append(news)
                    await live.objects(list(news.runs.values()))

    async def main() -> tuple[list[list[News]], list[str], float]:
        live = Live(client)
        told: list[list[News]] = [[] for _ in range(50)]
        tasks = [asyncio.create_task(follow(live, at, each)) for at, each in enumerate(told)]
        async with asyncio.timeout(WITHIN):
            while not all(any(news.whole for news in each) for each in told[::2]):
                await asyncio.sleep(0.01)
        began = asyncio.get_running_loop().time()
        with counted(client) as asked:
            # Something happens to each run all the while: this is the time that is counted.
            for number in range(1, 5):
                kept = list(asked)
                for run, claim in zip(runs, taken, strict=True):
                    client.store.note_progress(worker, [(run.run_id, 1, Progress(number))])
                    client.store.write_logs(worker, [said(run, claim.attempt, number, "line")])
                asked[:] = kept  # what the worker asks is not counted
                await asyncio.sleep(seconds / 4)
            took = asyncio.get_running_loop().time() - began
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return told, asked, took

    told, asked, took = asyncio.run(main())

    assert 0 < len(asked) <= 2 * took * faster
    for each in told:
        assert any(news.rows for news in each)
        assert any(run.progress for news in each for run in news.runs.values())


def test_each_row_of_a_log_is_told_once_and_in_order_also_to_who_came_late(client):
    worker, run = add_worker(client.store), add(client.store)
    claim = claim_one(client.store, worker)
    client.store.write_logs(worker, [said(run, claim.attempt, 1, "before")])

    async def main() -> tuple[list[int], list[int]]:
        live = Live(client)
        early, late = [], []
        one = live.follow([run.run_id], log_of=run.run_id, after=(claim.attempt, 0))
        other = live.follow([run.run_id], log_of=run.run_id, after=(claim.attempt, 2))
        async with aclosing(one), aclosing(other):
            early += [row.number for row in (await first(one, lambda it: bool(it.rows))).rows]
            rows = [said(run, claim.attempt, number, "x") for number in (2, 3, 4)]
            client.store.write_logs(worker, rows)
            late += [row.number for row in (await first(other, lambda it: bool(it.rows))).rows]
            while len(early) < 4:
                early += [row.number for row in (await first(one, lambda it: bool(it.rows))).rows]
        return early, late

    assert asyncio.run(main()) == ([1, 2, 3, 4], [3, 4])


def test_who_follows_is_told_of_an_outage_and_of_its_end_and_misses_no_change(client, monkeypatch):
    worker, run = add_worker(client.store), add(client.store)
    several = type(client.store).several

    asked: list[None] = []

    def away(*_: Any) -> Any:
        asked.append(None)
        raise StoreUnavailable("The store is away. Start it.")

    async def main() -> list[Any]:
        live = Live(client)
        async with aclosing(live.follow([run.run_id])) as following:
            before = await first(following, lambda it: bool(it.runs))
            monkeypatch.setattr(type(client.store), "several", away)
            down = await first(following, lambda it: it.down is not None)
            settle(client.store, worker, outcome(claim_one(client.store, worker)))
            monkeypatch.setattr(type(client.store), "several", several)
            found = []
            while not found or found[-1].down != "":
                found.append(await first(following, lambda _: True))
            return [before.runs[run.run_id].state, down.down, *(n.runs for n in found if n.runs)]

    state, down, *changes = asyncio.run(main())

    assert (state, down) == ("queued", "The store is away. Start it.")
    assert changes[-1][run.run_id].state == "succeeded"


def test_a_fault_of_ours_is_told_as_an_outage_and_does_not_end_it_for_all(client, monkeypatch):
    run = add(client.store)
    several = type(client.store).several

    async def main() -> None:
        live = Live(client)
        async with aclosing(live.follow([run.run_id])) as following:
            await first(following, lambda it: bool(it.runs))
            monkeypatch.setattr(type(client.store), "several", lambda *_: 1 / 0)
            await first(following, lambda it: bool(it.down))
            monkeypatch.setattr(type(client.store), "several", several)
            await first(following, lambda it: it.down == "")

    asyncio.run(main())


def test_who_takes_nothing_stands_in_nobodys_way_and_misses_nothing_that_counts(client):
    worker = add_worker(client.store)
    run = add(client.store)
    claim = claim_one(client.store, worker)

    async def main() -> Any:
        live = Live(client)
        async with (
            aclosing(live.follow([run.run_id])) as slow,
            aclosing(live.follow([run.run_id])) as quick,
        ):
            await first(slow, lambda it: bool(it.runs))
            for number in range(1, 4):
                client.store.note_progress(worker, [(run.run_id, 1, Progress(number))])
                await first(
                    quick,
                    lambda it, number=number: (
                        bool(it.runs) and it.runs[run.run_id].progress == Progress(number)
                    ),
                )
            settle(client.store, worker, outcome(claim, Ending.ERROR))
            await first(quick, lambda it: bool(it.runs) and it.runs[run.run_id].state.final)
            return await first(slow, lambda it: bool(it.runs) and it.runs[run.run_id].state.final)

    assert asyncio.run(main()).runs[run.run_id].state == "failed"


def test_a_run_is_told_again_when_it_waits_for_something_else(client, monkeypatch):
    monkeypatch.setattr(rooms, "WHOLE_EVERY", 0.05)
    add_worker(client.store)
    run = add(client.store)

    async def main() -> list[object]:
        live = Live(client)

        async def waits_for(news: News) -> object:
            (shown,) = await live.objects(list(news.runs.values()))
            return shown["waiting_on"]

        async with aclosing(live.follow([run.run_id])) as following:
            told = [await waits_for(await first(following, news_of_runs))]
            for act in (client.store.pause, client.store.resume):
                act("job", run.job_name)
                async with asyncio.timeout(WITHIN):
                    while (last := await waits_for(await first(following, news_of_runs))) == told[
                        -1
                    ]:
                        pass
                told.append(last)
        return told

    before, paused, after = asyncio.run(main())

    assert "paused" in str(paused) or "resume" in str(paused)
    assert before == after != paused


def test_while_the_store_is_away_nobody_is_told_that_it_is_back(client, monkeypatch):
    monkeypatch.setattr(rooms, "TURN", 0.05)
    monkeypatch.setattr(rooms, "_SOON", 0.05)

    asked: list[None] = []

    def away(*_: Any) -> Any:
        asked.append(None)
        raise StoreUnavailable("The database is away.")

    async def main() -> list[str | None]:
        live = Live(client)
        async with aclosing(live.follow([], whole=True)) as following:
            await first(following, lambda it: it.whole is not None)
            real = live.lately._read_whole
            live.lately._read_whole = away  # type: ignore[method-assign]
            monkeypatch.setattr(rooms, "WHOLE_EVERY", 0.0)
            told = [(await first(following, lambda it: it.down is not None)).down]
            monkeypatch.setattr(rooms, "WHOLE_EVERY", 3600.0)
            async with aclosing(live.follow([], whole=True)) as late:
                told.append((await first(late, lambda it: it.down is not None)).down)
            # Turns go by, and nobody is told anything else.
            before = len(asked)
            async with asyncio.timeout(WITHIN):
                while len(asked) < before + 3:
                    await asyncio.sleep(0.01)
            assert [each.untold.down for each in live._followers] == [None]
            live.lately._read_whole = real  # type: ignore[method-assign]
            told.append((await first(following, lambda it: it.down is not None)).down)
        return told

    assert asyncio.run(main()) == ["The database is away.", "The database is away.", ""]


def test_nothing_is_asked_once_nobody_follows(client):
    run = add(client.store)

    async def main() -> tuple[set[str], list[str]]:
        live = Live(client)
        async with aclosing(live.follow([run.run_id])) as following:
            await first(following, lambda it: bool(it.runs))
        with counted(client) as asked:
            async with asyncio.timeout(WITHIN):
                while live._turning is not None and not live._turning.done():
                    await asyncio.sleep(0.01)
        return {each.get_name() for each in asyncio.all_tasks()}, asked

    tasks, asked = asyncio.run(main())

    assert (len(tasks), asked) == (1, [])


def test_more_than_can_be_told_are_refused(client, monkeypatch):
    monkeypatch.setattr(rooms, "MOST", 1)

    async def main() -> None:
        live = Live(client)
        async with aclosing(live.follow([], whole=True)) as one:
            await first(one, lambda it: it.whole is not None)
            with pytest.raises(rooms.Problem) as told:
                await anext(live.follow([]))
            assert told.value.status == 503
            assert told.value.headers == {"Retry-After": "5"}

    asyncio.run(main())


def test_the_whole_tells_what_waits_who_works_and_what_was_settled(client):
    worker = add_worker(client.store)
    add(client.store)
    settle(client.store, worker, outcome(claim_one(client.store, worker)))
    add(client.store)

    async def main() -> Any:
        live = Live(client)
        async with aclosing(live.follow([], whole=True)) as following:
            return (await first(following, lambda it: it.whole is not None)).whole

    whole = asyncio.run(main())

    assert whole.status["queues"][0]["job_name"] == JOB
    assert whole.status["workers"][0]["worker_id"] == worker
    assert sum(sum(each.ended.values()) for each in whole.activity.slices) == 1


def test_who_comes_during_an_outage_is_told_of_it(client, monkeypatch):
    run = add(client.store)

    def away(*_: Any) -> Any:
        raise StoreUnavailable("The store is away. Start it.")

    async def main() -> News:
        live = Live(client)
        async with aclosing(live.follow([run.run_id])) as early:
            monkeypatch.setattr(type(client.store), "several", away)
            await first(early, lambda it: bool(it.down))
            async with aclosing(live.follow([run.run_id])) as late:
                return await first(late, lambda it: it.down is not None)

    assert asyncio.run(main()).down == "The store is away. Start it."


def test_who_comes_later_is_told_the_whole_at_once_and_the_store_is_not_asked_for_it(client):
    async def main() -> tuple[Any, Any, list[str]]:
        live = Live(client)
        async with aclosing(live.follow(whole=True)) as early:
            one = await first(early, lambda it: it.whole is not None)
            with counted(client) as asked:
                async with aclosing(live.follow(whole=True)) as late, asyncio.timeout(5):
                    other = await first(late, lambda it: it.whole is not None)
        return one.whole, other.whole, asked

    one, other, asked = asyncio.run(main())

    assert other is one
    assert asked == []


def test_who_is_far_behind_in_a_log_keeps_nobody_else_of_it_waiting(client, monkeypatch):
    monkeypatch.setattr(rooms, "_ROWS", 5)
    worker, run = add_worker(client.store), add(client.store)
    attempt = claim_one(client.store, worker).attempt
    client.store.write_logs(worker, [said(run, attempt, each, "old") for each in range(1, 51)])

    async def main() -> list[int]:
        live = Live(client)
        slow = live.follow(log_of=run.run_id, after=(attempt, 0))
        quick = live.follow(log_of=run.run_id, after=(attempt, 50))
        async with aclosing(slow), aclosing(quick):
            await first(slow, lambda it: bool(it.rows))
            client.store.write_logs(worker, [said(run, attempt, 51, "new")])
            turns = asyncio.create_task(first(quick, lambda it: bool(it.rows)))
            seen = 1
            while not turns.done():
                await first(slow, lambda it: bool(it.rows))
                seen += 1
            return [seen, (await turns).rows[0].number]

    turns, number = asyncio.run(main())

    assert number == 51
    assert turns < 5


def test_a_long_log_keeps_no_other_log_waiting(client, monkeypatch):
    monkeypatch.setattr(rooms, "_ROWS", 3)
    monkeypatch.setattr(rooms, "TURN", 60.0)  # so that all that is told is told in one turn
    worker = add_worker(client.store)
    long, short = sorted((add(client.store) for _ in range(2)), key=lambda each: each.run_id)
    for _ in range(2):
        claim_one(client.store, worker)
    rows = [said(long, 1, each, "x") for each in range(1, 10)]
    client.store.write_logs(worker, [*rows, said(short, 1, 1, "y")])

    async def main() -> list[int]:
        live = Live(client)
        one, other = live.follow(log_of=long.run_id), live.follow(log_of=short.run_id)
        async with aclosing(one), aclosing(other):
            told = await asyncio.gather(
                *(first(it, lambda it: bool(it.rows)) for it in (one, other))
            )
            return [len(each.rows) for each in told]

    assert asyncio.run(main()) == [3, 1]


def test_what_a_version_hides_is_hidden_from_its_first_run_on(client):
    def learn(version: str, *hidden: str) -> Provider:
        provider = Provider("acme-reports", version)
        options = DEFAULTS.to_wire() | {"redact": list(hidden)}
        client.store.catalogue.learn(
            [Entry(job_name=JOB, provider=provider, options=options)], "sync"
        )
        return provider

    old = learn("1.0")
    run = evolve(add(client.store, params='{"secret": "s3cret"}'), provider=old)

    async def main() -> list[str]:
        live = Live(client)
        before = await live.objects([run])
        after = await live.objects([evolve(run, provider=learn("2.0", "secret"))])
        return [each["params"]["secret"] for each in (*before, *after)]

    assert asyncio.run(main()) == ["s3cret", "[redacted]"]
