"""What two do at once, on each database: waits where it must, and nothing done twice.

SQLite lets one write at a time; so what waits for what is asked of the servers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest
from sqlalchemy import Connection, or_, select
from store_hands import (
    JOB,
    Clock,
    add,
    add_worker,
    asked,
    claim,
    claim_one,
    everything,
    offer,
    outcome,
    row_of,
    settle,
    states,
)
from waiting import until

from jobreg import Conflict
from jobreg.lifecycle import Ending, Progress, State
from jobreg.store import (
    Store,
    claim_statements,
    database,
    open_store,
    settle_statements,
    worker_statements,
)
from jobreg.store.tables import live, runs

_WAITING = {
    "postgresql": "SELECT count(*) FROM pg_locks WHERE NOT granted",
    "mysql": "SHOW ENGINE INNODB STATUS",
}


@pytest.fixture(params=["postgres", "mysql"])
def server_store(request: pytest.FixtureRequest) -> Any:
    opened = open_store(request.getfixturevalue(request.param).fresh())
    yield opened
    opened.close()


def waits(store: Store) -> bool:
    """Does somebody wait for a lock of somebody else?"""
    with store.reading() as connection:
        query = _WAITING[store.engine.dialect.name]
        told = connection.exec_driver_sql(query).one()
    return "LOCK WAIT" in told[-1] if len(told) > 1 else int(told[0]) > 0


class Meanwhile:
    """A verb that begins while a transaction is open, and must wait for it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(1)
        self._open: list[AbstractContextManager[Connection]] = []

    def begin(self, verb: Callable[[], Any]) -> Future[Any]:
        answer = self._threads.submit(verb)
        until(lambda: answer.done() or waits(self._store), what="the other waits")
        assert not answer.done(), "it did not wait"
        return answer


def test_a_worker_is_not_declared_dead_between_the_look_and_the_claim(server_store):
    run, worker = add(server_store), add_worker(server_store)
    row = row_of(server_store, worker)
    meanwhile = Meanwhile(server_store)

    with server_store.writing() as connection:
        connection.execute(worker_statements.worker_is_live(), {"of_worker": worker}).one()
        rescue = meanwhile.begin(lambda: server_store.rescue(row))
        asked_for = {"of_run": run.run_id, **claim_statements.claiming(worker, offer().basis)}
        assert (
            connection.execute(claim_statements.take_one(server_store.now), asked_for).rowcount == 1
        )

    assert rescue.result(10) == 1  # it saw the claim that was under way
    assert server_store.get(run.run_id).state is State.QUEUED


def test_a_worker_row_is_not_forgotten_between_the_look_and_the_claim(server_store):
    run, worker = add(server_store), add_worker(server_store)
    meanwhile = Meanwhile(server_store)

    with server_store.writing() as connection:
        connection.execute(worker_statements.worker_is_live(), {"of_worker": worker}).one()
        forgotten = meanwhile.begin(lambda: server_store.forget(worker))
        asked_for = {"of_run": run.run_id, **claim_statements.claiming(worker, offer().basis)}
        connection.execute(claim_statements.take_one(server_store.now), asked_for)

    forgotten.result(10)
    assert row_of(server_store, worker).state == "live"  # a run names it


def test_a_rescue_waits_for_a_settle_and_finds_nothing_left(server_store):
    run, worker = add(server_store), add_worker(server_store)
    taken = claim_one(server_store, worker)
    row = row_of(server_store, worker)
    meanwhile = Meanwhile(server_store)

    with ExitStack() as stack:
        connection = stack.enter_context(server_store.writing())
        rows = connection.execute(
            settle_statements.held(server_store.now),
            {"of_worker": worker, "run_ids": [run.run_id]},
        ).all()
        rescue = meanwhile.begin(lambda: server_store.rescue(row))
        fence = {"of_run": run.run_id, "of_attempt": taken.attempt, "of_worker": worker}
        connection.execute(settle_statements.finish_live(), fence)

    assert len(rows) == 1
    assert rescue.result(10) == 0


def test_a_settle_waits_for_a_rescue_and_is_refused(server_store):
    run, worker = add(server_store), add_worker(server_store)
    taken = claim_one(server_store, worker)
    meanwhile = Meanwhile(server_store)

    with server_store.writing() as connection:
        rows = connection.execute(
            settle_statements.held(server_store.now),
            {"of_worker": worker, "run_ids": [run.run_id]},
        ).all()
        settled = meanwhile.begin(lambda: settle(server_store, worker, outcome(taken)))
        back = {
            "of_run": run.run_id, "of_attempt": taken.attempt, "of_worker": worker,
            "to_state": "queued", "delay": 0, "to_tries": 0, "to_crashes": 1, "to_suspect": None,
        }  # fmt: skip
        connection.execute(settle_statements.put_back(server_store.now), back)

    assert len(rows) == 1
    assert [each.run_id for each in settled.result(10)] == [run.run_id]
    assert server_store.get(run.run_id).state is State.QUEUED


def test_a_cancel_waits_for_a_claim_and_asks_the_worker(server_store):
    run, worker = add(server_store), add_worker(server_store)
    meanwhile = Meanwhile(server_store)

    with server_store.writing() as connection:
        asked_for = {"of_run": run.run_id, **claim_statements.claiming(worker, offer().basis)}
        connection.execute(claim_statements.take_one(server_store.now), asked_for)
        cancel = meanwhile.begin(lambda: server_store.cancel(run.run_id))

    assert cancel.result(10).state is State.RUNNING
    assert server_store.cancels_asked(worker) == [(run.run_id, 1)]


def test_a_claim_does_not_wait_for_another_and_takes_what_it_left(server_store):
    first, second = add(server_store), add(server_store)
    worker = add_worker(server_store)
    head = {"queue": "default", "name": JOB, "most": 1}

    with server_store.writing() as connection:
        (locked,) = connection.execute(claim_statements.heads(), head).all()
        taken = claim(server_store, worker, offer(most=5))

    assert locked.job_name == JOB
    assert [each.run_id for each in taken] == [second.run_id]
    assert server_store.get(first.run_id).state is State.QUEUED


def test_a_claim_of_many_names_does_not_wait_for_another_and_takes_what_comes_next(server_store):
    new = [asked(queue=f"q{n}", priority=-n) for n in range(120)]
    stored = server_store.insert(new)
    worker = add_worker(server_store)

    with server_store.writing() as connection:
        for number in (0, 1, 3):
            head = {"queue": f"q{number}", "name": JOB, "most": 1}
            assert connection.execute(claim_statements.heads(), head).all()
        taken = claim(server_store, worker, offer(most=5))

    assert [each.run_id for each in taken] == [stored[n].run_id for n in (2, 4, 5, 6, 7)]
    assert states(server_store) == {"queued": 115, "running": 5}


def test_what_another_claims_while_many_names_are_looked_at_is_left_to_it(mysql, monkeypatch):
    store = open_store(mysql.fresh())
    other = open_store(store.full_url)
    stored = store.insert([asked(queue=f"q{n}", priority=-n) for n in range(120)])
    one, two = add_worker(store), add_worker(store)
    look, between = store.database.look, []

    def looked(*arguments: Any) -> Any:
        seen = look(*arguments)
        between.extend(claim(other, two, offer(most=3)))
        return seen

    monkeypatch.setattr(store.database, "look", looked)
    taken = claim(store, one, offer(most=3))

    ids = [run.run_id for run in stored]
    assert [each.run_id for each in between] == ids[:3]
    assert [each.run_id for each in taken] == ids[3:6]
    store.close(), other.close()


def test_which_runs_are_locked_is_told_without_waiting(server_store):
    store = server_store
    free, in_live, in_runs, over = (add(store) for _ in range(4))
    store.cancel(over.run_id)
    both = ((live, in_live), (runs, in_runs), (runs, over))

    with store.writing() as connection:
        for table, run in both:
            row = select(table.c.seq).where(table.c.run_id == run.run_id)
            connection.execute(row.with_for_update())
        found = store.locked([each.run_id for each in (free, in_live, in_runs, over)])

    assert found == {in_live.run_id, in_runs.run_id}
    assert store.locked([in_live.run_id, in_runs.run_id]) == set()


def test_a_due_run_that_is_locked_holds_up_no_other(server_store, monkeypatch):
    monkeypatch.setattr(database, "_STAGED_TOGETHER", 2)
    clock = Clock(server_store)
    locked, *others = [add(server_store, delay=60.0) for _ in range(6)]
    clock.set(61)
    of_run = select(live.c.seq).where(live.c.run_id == locked.run_id)

    with server_store.writing() as connection:
        connection.execute(of_run.with_for_update())
        wait = server_store.stage_due()
        found = states(server_store)

    assert found == {"queued": len(others), "scheduled": 1}
    assert 0 < wait <= 1
    assert server_store.stage_due() is None
    assert states(server_store) == {"queued": 6}


# How many runs there are, how many of them one worker holds, and how many another does: by what a
# database counts of these it chooses how to look for the first ones.
CROWDS = [(3, 1, 1), (50, 10, 0), (60, 50, 0), (60, 50, 5), (100, 50, 0), (1000, 50, 50)]


@pytest.mark.parametrize(("total", "mine", "others"), CROWDS)
def test_a_worker_waits_for_no_run_of_another(server_store, total, mine, others):
    """A database that looks at runs of others on the way to these locks them too, or waits."""
    server_store.insert([asked() for _ in range(total)])
    worker, other = add_worker(server_store), add_worker(server_store)
    first, *rest = claim(server_store, worker, offer(most=mine))
    claim(server_store, other, offer(most=others))
    row, half = row_of(server_store, worker), rest[: len(rest) // 2]

    with server_store.writing() as connection:
        not_mine = or_(live.c.worker_id.is_(None), live.c.worker_id != worker)
        by_age = select(live.c.seq).where(not_mine).order_by(live.c.seq)
        *theirs, _ = connection.execute(by_age).scalars().all()
        by_seq = select(live.c.seq).where(live.c.seq.in_(theirs)).with_for_update()
        held = connection.execute(by_seq.with_hint(live, "FORCE INDEX (PRIMARY)", "mysql")).all()
        (last,) = claim(server_store, worker)
        server_store.note_progress(worker, [(first.run_id, first.attempt, Progress(0.5))])
        server_store.cancel(first.run_id)
        asked_for = server_store.cancels_asked(worker)
        refused = settle(server_store, worker, outcome(first, Ending.ERROR), *map(outcome, half))
        staged = server_store.stage_due()
        rescued = server_store.rescue(row)

    assert len(held) == total - mine - 1
    assert last.run_id not in {each.run_id for each in (first, *rest)}
    assert asked_for == [(first.run_id, first.attempt)]
    assert refused == []
    assert staged is None
    assert rescued == mine - len(half)
    assert states(server_store).get("running", 0) == others


def at_once(number: int, verb: Callable[[int], Any]) -> list[Any]:
    """The answers of as many threads that begin together."""
    start = threading.Barrier(number)

    def begin(which: int) -> Any:
        start.wait(30)
        return verb(which)

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(begin, range(number)))


def test_one_id_submitted_by_eight_at_once_is_one_run(store):
    run = asked(params='{"a":1}')

    stored = at_once(8, lambda _: store.insert([asked(), run, asked()])[1])

    assert {each.run_id for each in stored} == {run.run_id}
    assert states(store) == {"queued": 17}


def test_one_id_for_two_jobs_at_once_is_one_run_and_one_conflict(store):
    run = asked()

    def submit(which: int) -> Any:
        from attrs import evolve

        try:
            return store.insert([evolve(run, params=f'{{"which":{which}}}')])
        except Conflict as conflict:
            return conflict

    answers = at_once(4, submit)

    assert [type(each) for each in answers].count(Conflict) == 3
    assert states(store) == {"queued": 1}


@pytest.mark.parametrize("repeat", range(3))
def test_a_cap_holds_over_workers_that_claim_at_once(store, repeat):
    store.insert([asked() for _ in range(30)])
    workers = [add_worker(store) for _ in range(6)]

    claims = at_once(6, lambda which: claim(store, workers[which], offer(concurrency=4, most=3)))

    assert sum(len(each) for each in claims) <= 4
    assert states(store)["running"] == sum(len(each) for each in claims)
    more = [claim(store, worker, offer(concurrency=4, most=3)) for worker in workers]
    assert sum(len(each) for each in claims + more) == 4


def test_one_dead_worker_is_rescued_once_by_six_at_once(store):
    worker = add_worker(store)
    store.insert([asked() for _ in range(10)])
    claim(store, worker, offer(most=10))
    row = row_of(store, worker)

    answers = at_once(6, lambda _: store.rescue(row))

    assert [each for each in answers if each] == [10]
    assert states(store) == {"queued": 10}
    assert len(everything(store)["jobreg_attempts"]) == 10
    assert store.workers() == []


def test_one_failed_run_is_reopened_once_by_four_at_once(store):
    worker = add_worker(store)
    run = add(store)
    settle(store, worker, outcome(claim_one(store, worker), Ending.ERROR))
    failed = store.get(run.run_id)

    answers = at_once(4, lambda _: store.reopen(failed))

    assert sorted(answers) == [False, False, False, True]
    assert states(store) == {"queued": 1}
