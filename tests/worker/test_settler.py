"""What a worker does about runs that are its own by the store and not by its memory."""

from __future__ import annotations

from pathlib import Path

from store_hands import HOST, JOB, add, add_worker, claim, claim_one, outcome, settle

from jobreg.engines.base import Note
from jobreg.events import listen
from jobreg.lifecycle import Ending, Outcome, Progress, State
from jobreg.store import Store, open_store
from jobreg.worker.settler import Settler


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
