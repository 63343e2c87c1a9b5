"""What a worker does about runs that are its own by the store and not by its memory."""

from __future__ import annotations

from pathlib import Path

from store_hands import HOST, JOB, add, add_worker, claim_one, outcome, settle

from jobreg.lifecycle import State
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
