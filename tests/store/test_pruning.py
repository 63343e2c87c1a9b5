"""What is over for long enough is deleted with all that belongs to it; nothing else ever is."""

from __future__ import annotations

import multiprocessing
import signal

import pytest
from store_hands import Clock, Ending, add, asked, die_at, everything, finish, states

from jobreg.lifecycle import LogChunk, State
from jobreg.store import LogRow, Store

DAY = 86_400.0
BELONGING = ("jobreg_runs", "jobreg_attempts", "jobreg_logs")


@pytest.fixture
def old(store: Store, worker: str, clock: Clock) -> dict[str, str]:
    """A run of each state from the first day, by its state; it is the tenth day now."""
    made = {}
    for state, ending in (("succeeded", Ending.SUCCEEDED), ("failed", Ending.ERROR)):
        made[state] = add(store).run_id
        taken = finish(store, worker, ending)
        assert taken.run_id == made[state]
    made["cancelled"] = add(store).run_id
    store.cancel(made["cancelled"])
    made["queued"] = add(store).run_id
    made["scheduled"] = add(store, delay=100 * DAY).run_id
    clock.set(10 * DAY)
    return made


def kept(store: Store) -> dict[str, int]:
    rows = everything(store)
    return {name: len({row["run_id"] for row in rows[name]}) for name in BELONGING}


def test_only_runs_that_have_been_over_for_longer_are_deleted(store, old, clock, worker):
    new = add(store, "other.job")
    store.cancel(new.run_id)

    assert store.history.count("succeeded", 11 * DAY) == 0
    assert store.history.prune("succeeded", 11 * DAY) == 0
    assert store.history.count("succeeded", 9 * DAY) == 1
    assert store.history.prune("succeeded", 9 * DAY) == 1
    assert store.history.prune("cancelled", 9 * DAY) == 1

    assert states(store) == {"queued": 1, "scheduled": 1, "failed": 1, "cancelled": 1}
    assert kept(store) == {"jobreg_runs": 4, "jobreg_attempts": 1, "jobreg_logs": 0}
    assert store.get(new.run_id).state is State.CANCELLED


def test_what_is_not_over_is_never_deleted(store, old):
    for state in ("queued", "scheduled", "running"):
        assert store.history.prune(state, 0.0) == 0

    assert states(store)["queued"] == states(store)["scheduled"] == 1


def test_a_run_that_took_long_is_kept_from_its_end_on(store, old, clock, worker):
    finish(store, worker)  # submitted on the first day, over on the tenth

    assert store.history.prune("succeeded", 5 * DAY) == 1

    assert store.get(old["queued"]).state is State.SUCCEEDED


def test_attempts_and_logs_go_with_their_run(store, worker, clock):
    from store_hands import claim_one, outcome, settle

    run, other = add(store), add(store)
    for each in (run, other):
        taken = claim_one(store, worker)
        said = (LogChunk(1_800_000_000_000_000, "stdout", "INFO", None, each.run_id),)
        store.write_logs(worker, [LogRow(taken.run_id, taken.attempt, 1, said)])
        settle(store, worker, outcome(taken))
        clock.set(DAY)

    assert store.history.prune("succeeded", DAY / 2) == 1

    assert kept(store) == {"jobreg_runs": 1, "jobreg_attempts": 1, "jobreg_logs": 1}
    assert store.logs(other.run_id) != []


def test_batches_go_on_until_nothing_is_left_oldest_first(store, clock):
    runs = []
    for second in range(7):
        clock.set(second)
        runs.append(add(store))
        store.cancel(runs[-1].run_id)
    clock.set(DAY)

    assert store.history.prune("cancelled", 60.0, 3) == 3
    assert {run.run_id for run in store.find()[0]} == {run.run_id for run in runs[3:]}
    assert [store.history.prune("cancelled", 60.0, 3) for _ in range(3)] == [3, 1, 0]


def test_a_run_queued_again_is_not_deleted(store, old):
    store.reopen(store.get(old["failed"]))

    assert store.history.prune("failed", 1.0) == 0
    assert store.get(old["failed"]).state is State.QUEUED


def test_a_copy_of_a_deleted_run_is_read(store, old):
    copy = store.insert([asked(retried_from=old["succeeded"])])[0]
    store.history.prune("succeeded", DAY)

    assert store.get(copy.run_id).retried_from == old["succeeded"]


def prune_and_die(store: Store, step: int) -> None:
    pass_by = die_at(store, step)
    store.history.prune("succeeded", 0.0)
    pass_by()


def test_a_pruner_killed_at_any_statement_leaves_whole_runs(store, worker):
    fork = multiprocessing.get_context("fork")
    codes = []
    for step in range(1, 30):
        before = [add(store).run_id for _ in range(2)]
        for _ in before:
            finish(store, worker)
        process = fork.Process(target=prune_and_die, args=(store, step))
        process.start()
        process.join(30)
        codes.append(process.exitcode)

        left = kept(store)
        assert left["jobreg_runs"] == left["jobreg_attempts"], codes
        if process.exitcode == 0:
            break

    assert codes == [-signal.SIGKILL] * (len(codes) - 1) + [0]
    assert len(codes) > 8
    assert kept(store)["jobreg_runs"] == 0
