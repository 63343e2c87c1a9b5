"""What a worker does about runs that are its own by the store and not by its memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import Connection, Table, select
from store_hands import (
    HOST,
    JOB,
    add,
    add_worker,
    claim,
    claim_one,
    offer,
    outcome,
    settle,
    states,
)
from waiting import until

from jobreg import StoreUnavailable, settings
from jobreg.engines.base import Note
from jobreg.events import listen
from jobreg.lifecycle import Ending, Outcome, Progress, State
from jobreg.store import Store, mysql, open_store
from jobreg.store.tables import live, runs
from jobreg.worker import aside
from jobreg.worker.host import Host
from jobreg.worker.settler import Settler
from jobreg.worker.upkeep import Upkeep


def opened(folder: Path) -> Store:
    return open_store(f"sqlite:///{folder}/jobs.db")


def test_a_claim_whose_answer_was_lost_is_given_back_uncounted(tmp_path: Path) -> None:
    store = opened(tmp_path)
    worker, lost, kept = add_worker(store), add(store), add(store, JOB)
    claim_one(store, worker)  # the answer never came
    settler = Settler(store, HOST)
    settler.take([claim_one(store, worker)])

    given_back = settler.reconcile(worker)

    record = store.get(lost.run_id)
    assert given_back == 1
    assert (record.state, record.attempt, record.tries, record.crashes) == (State.QUEUED, 1, 0, 0)
    assert store.attempts(lost.run_id) == []
    assert store.get(kept.run_id).state is State.RUNNING
    assert settler.reconcile(worker) == 0


def test_what_is_about_to_be_settled_is_not_given_back(tmp_path: Path) -> None:
    store = opened(tmp_path)
    worker, run = add_worker(store), add(store)
    settler, taken = Settler(store, HOST), claim_one(store, worker)
    settler.take([taken])
    settler.add(outcome(taken))

    assert settler.reconcile(worker) == 0
    assert [each.run_id for each in settler.settle(worker)] == [run.run_id]
    assert store.get(run.run_id).state is State.SUCCEEDED
    assert settle(store, worker) == []


def test_what_is_lost_is_told_with_its_reason(tmp_path: Path) -> None:
    store = opened(tmp_path)
    add(store)
    (taken,) = claim(store, add_worker(store)) or ()
    settler, told = Settler(store, HOST), list[object]()
    settler.take([taken])
    settler.add(outcome(taken, Ending.CANCELLED))
    deaf = listen(lambda name, facts: told.append((name, facts)))

    settler.settle(add_worker(store))  # another's: it is refused
    deaf()

    facts = {"run_id": taken.run_id, "job_name": JOB, "attempt": 1}
    came = {"outcome": "cancelled", "state": "cancelled", "reason": "asked"}
    assert told == [("lease.lost", facts | came)]


def test_what_the_database_noted_is_forgotten_once_progress_was_written(tmp_path: Path) -> None:
    store = opened(tmp_path)
    worker = add_worker(store)
    add(store), add(store)
    one, other = claim(store, worker) or ()
    settler = Settler(store, HOST)
    settler.take([one, other])

    settler.note(Note(one.run_id, one.attempt, Progress(1, 2)))
    settler.write_progress(worker)
    for each in (one, other):  # as children tell of runs that say how far they are: undecided
        settler.add(Outcome(run_id=each.run_id, attempt=1, ending=Ending.SUCCEEDED, started=1.0))

    rows = [each.row for each in settler.settle(worker)]
    assert [bool(row) for row in rows] == [False, True]
    assert store.get(one.run_id).progress == Progress(1, 2)


@pytest.fixture(params=["postgres", "mysql"])
def impatient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store on a server, which waits for a lock for no longer than it must."""
    monkeypatch.setattr(mysql, "_SESSION", mysql._SESSION.replace("timeout = 4", "timeout = 1"))
    url = request.getfixturevalue(request.param).fresh()
    options = f"?options={quote('-c lock_timeout=200')}" if request.param == "postgres" else ""
    store = open_store(url + options)
    yield store
    store.close()


def locks(connection: Connection, table: Table, run_id: str) -> None:
    connection.execute(select(table.c.seq).where(table.c.run_id == run_id).with_for_update())


@pytest.mark.parametrize("table", [live, runs], ids=str)
@pytest.mark.parametrize("ending", [Ending.SUCCEEDED, Ending.ERROR])
def test_a_run_that_somebody_locks_holds_up_no_other(
    impatient: Store, monkeypatch: pytest.MonkeyPatch, table: Table, ending: Ending
) -> None:
    monkeypatch.setattr(aside, "_LOOK_AGAIN", 0.0)
    worker = add_worker(impatient)
    for _ in range(6):
        add(impatient)
    locked, *others, late = claim(impatient, worker, offer(most=6)) or []
    settler = Settler(impatient, HOST)
    settler.take([locked, *others, late])
    for each in (*others[:2], locked, *others[2:]):
        settler.add(outcome(each, ending))
    settler.note(Note(late.run_id, 1, Progress(1, 2)))

    with impatient.writing() as connection:
        locks(connection, table, locked.run_id)
        written = settler.settle(worker)
        settler.write_progress(worker)
        settler.add(outcome(late, ending))
        later = settler.settle(worker)
        pause = settler.pause()
        while_locked = settler.settle(worker), settler.holds
    at_last = settler.settle(worker)

    assert {each.run_id for each in written} == {each.run_id for each in others}
    assert [each.run_id for each in later] == [late.run_id]
    assert pause <= 0.0
    assert while_locked == ([], 1)
    assert [each.run_id for each in at_last] == [locked.run_id]
    assert states(impatient) == {written[0].state: 6}
    assert impatient.get(late.run_id).progress == Progress(1, 2)


@pytest.mark.parametrize("ending", [Ending.SUCCEEDED, Ending.ERROR])
def test_a_run_that_somebody_locks_may_be_the_only_one(impatient: Store, ending: Ending) -> None:
    worker, settler = add_worker(impatient), Settler(impatient, HOST)
    add(impatient)
    (taken,) = claim(impatient, worker) or []
    settler.take([taken])
    settler.add(outcome(taken, ending))

    with impatient.writing() as connection:
        locks(connection, live, taken.run_id)
        written = settler.settle(worker)
        pause = settler.pause()
        again = settler.settle(worker)

    assert (written, again, settler.holds) == ([], [], 1)
    assert 0.5 < pause <= 1
    assert until(lambda: settler.settle(worker), 10)[0].run_id == taken.run_id


def test_progress_of_a_run_that_somebody_locks_is_kept_and_holds_up_no_other(
    impatient: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "_LOOK_AGAIN", 0.0)
    worker = add_worker(impatient)
    add(impatient), add(impatient)
    locked, other = claim(impatient, worker, offer(most=2)) or []
    settler = Settler(impatient, HOST)
    settler.take([locked, other])
    for each in (locked, other):
        settler.note(Note(each.run_id, 1, Progress(1, 2)))

    with impatient.writing() as connection:
        locks(connection, live, locked.run_id)
        settler.write_progress(worker)
        settler.write_progress(worker)
        meanwhile = [impatient.get(each.run_id).progress for each in (locked, other)]
    settler.write_progress(worker)

    assert meanwhile == [None, Progress(1, 2)]
    assert impatient.get(locked.run_id).progress == Progress(1, 2)


def test_a_table_that_somebody_locks_is_an_outage(impatient: Store) -> None:
    worker, settler = add_worker(impatient), Settler(impatient, HOST)
    add(impatient)
    (taken,) = claim(impatient, worker) or []
    settler.take([taken])
    settler.add(outcome(taken))
    postgres = impatient.engine.dialect.name == "postgresql"

    with impatient.writing() as connection:
        connection.exec_driver_sql(
            f"LOCK TABLE{' ' if postgres else 'S '}jobreg_live "
            f"{'IN ACCESS EXCLUSIVE MODE' if postgres else 'WRITE'}"
        )
        with pytest.raises(StoreUnavailable):
            settler.settle(worker)
        if not postgres:
            connection.exec_driver_sql("UNLOCK TABLES")

    assert [each.run_id for each in settler.settle(worker)] == [taken.run_id]


def test_a_claim_whose_answer_was_lost_and_that_somebody_locks_holds_up_no_other(
    impatient: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "_LOOK_AGAIN", 0.0)
    worker, settler = add_worker(impatient), Settler(impatient, HOST)
    add(impatient), add(impatient)
    locked, other = claim(impatient, worker, offer(most=2)) or []

    with impatient.writing() as connection:
        locks(connection, live, locked.run_id)
        released = settler.reconcile(worker)
        found = impatient.get(locked.run_id).state, impatient.get(other.run_id).state

    assert (released, *found) == (1, State.RUNNING, State.QUEUED)
    assert settler.reconcile(worker) == 1
    assert states(impatient) == {"queued": 2}


def test_a_run_of_a_dead_worker_that_somebody_locks_holds_up_no_other(
    impatient: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Upkeep, "_dead", lambda *_: True)
    upkeep = Upkeep(impatient, settings.load(), Host.here())
    dead, told = [add_worker(impatient) for _ in range(3)], list[object]()
    for _ in range(5):
        add(impatient)
    locked, _ = claim(impatient, dead[0], offer(most=2)) or []
    claim(impatient, dead[1], offer(most=2))
    (alone,) = claim(impatient, dead[2], offer(most=1)) or []
    deaf = listen(lambda name, facts: told.append((name, facts["runs"])))

    with impatient.writing() as connection:
        locks(connection, live, locked.run_id)
        upkeep.sweep("mine")
        upkeep.sweep("mine")
        found = states(impatient)
        left = [row.worker_id for row in impatient.workers()]
    upkeep.sweep("mine")
    deaf()

    assert found == {"queued": 4, "running": 1}
    assert left == [dead[0]]
    assert states(impatient) == {"queued": 5}
    assert impatient.workers() == []
    assert impatient.get(locked.run_id).crashes == 0
    assert impatient.get(alone.run_id).crashes == 1
    assert sorted(told) == [("worker.rescued", number) for number in (1, 1, 1, 2)]


def test_progress_that_an_outage_kept_from_being_written_is_written_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(tmp_path)
    worker, run = add_worker(store), add(store)
    settler = Settler(store, HOST)
    settler.take([claim_one(store, worker)])
    settler.note(Note(run.run_id, 1, Progress(1, 2)))

    def is_away(*_: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as away:
        away.setattr(store, "note_progress", is_away)
        with pytest.raises(StoreUnavailable):
            settler.write_progress(worker)
    settler.write_progress(worker)

    assert store.get(run.run_id).progress == Progress(1, 2)
