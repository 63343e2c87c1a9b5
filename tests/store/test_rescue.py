"""rescue, beat, forget and stage_due: what every worker does for all."""

from __future__ import annotations

import pytest
from store_hands import (
    JOB,
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

from jobreg.lifecycle import Ending, Reason, State


def test_the_only_run_of_a_dead_worker_is_queued_again_and_charged_with_the_crash(store, worker):
    run = add(store)
    claim_one(store, worker)

    rescued = store.rescue(row_of(store, worker))

    stored = store.get(run.run_id)
    assert rescued == 1
    assert (stored.state, stored.crashes, stored.tries) == (State.QUEUED, 1, 0)
    assert (stored.worker_id, stored.started_at) == (None, None)
    (attempt,) = store.attempts(run.run_id)
    assert (attempt.outcome, attempt.worker_id) == (Ending.CRASHED, worker)
    assert attempt.error.type == "WorkerLost"


def test_of_several_runs_of_a_dead_worker_none_is_charged(store, worker):
    runs = store.insert([asked() for _ in range(3)])
    claim(store, worker)

    rescued = store.rescue(row_of(store, worker))

    stored = [store.get(run.run_id) for run in runs]
    assert rescued == 3
    assert [(run.state, run.crashes, run.tries) for run in stored] == [(State.QUEUED, 0, 0)] * 3
    outcomes = [store.attempts(run.run_id)[0].outcome for run in runs]
    assert outcomes == [Ending.LOST] * 3


@pytest.mark.parametrize("companions", [0, 2])
def test_an_at_most_once_run_of_a_dead_worker_is_failed_as_crashed(store, worker, companions):
    store.insert([asked("b.job") for _ in range(companions)])
    run = add(store, max_attempts=1, max_crashes=1)
    claim(store, worker, offer(), offer("b.job"))

    store.rescue(row_of(store, worker))

    stored = store.get(run.run_id)
    assert (stored.state, stored.reason, stored.crashes) == (State.FAILED, Reason.CRASHED, 1)
    assert states(store) == {"failed": 1} | ({"queued": companions} if companions else {})


def test_the_jobs_own_word_makes_a_run_at_most_once_for_the_rescuer(store, worker):
    run = add(store)
    add(store, "b.job")
    claim(store, worker, offer(max_attempts=1, max_crashes=1), offer("b.job"))

    store.rescue(row_of(store, worker))

    assert store.get(run.run_id).state is State.FAILED


def test_a_run_that_crashed_too_often_is_failed(store, clock):
    run = add(store, max_crashes=3)
    for seconds, crashes in ((0, 1), (100, 2), (200, 3)):
        clock.set(seconds)
        store.stage_due()
        worker = add_worker(store)
        claim_one(store, worker)
        store.rescue(row_of(store, worker))
        assert store.get(run.run_id).crashes == crashes

    stored = store.get(run.run_id)
    assert (stored.state, stored.reason) == (State.FAILED, Reason.CRASHED)
    assert [each.number for each in store.attempts(run.run_id)] == [1, 2, 3]


def test_a_worker_that_beat_meanwhile_is_left_alone(store, worker):
    run = add(store)
    claim_one(store, worker)
    seen = row_of(store, worker)
    store.beat(worker, 30.0, "[]")
    before = everything(store)

    rescued = store.rescue(seen)

    assert rescued is None
    assert everything(store) == before
    assert store.get(run.run_id).state is State.RUNNING


def test_only_one_of_two_rescuers_takes_the_runs_back(store, worker):
    run = add(store)
    claim_one(store, worker)
    seen = row_of(store, worker)

    first, second = store.rescue(seen), store.rescue(seen)

    assert (first, second) == (1, None)
    assert store.get(run.run_id).crashes == 1
    assert len(store.attempts(run.run_id)) == 1


def test_a_rescue_touches_no_run_of_another_worker_or_of_nobody(store, worker):
    other = add_worker(store)
    theirs, waiting = add(store), add(store, "b.job")
    claim_one(store, other)
    mine = add(store)
    claim_one(store, worker)
    before = store.get(theirs.run_id), store.get(waiting.run_id)

    store.rescue(row_of(store, worker))

    assert (store.get(theirs.run_id), store.get(waiting.run_id)) == before
    assert store.get(mine.run_id).state is State.QUEUED
    assert [row.worker_id for row in store.workers()] == [other]


def test_a_rescued_worker_cannot_beat(store, worker):
    store.rescue(row_of(store, worker))

    assert store.beat(worker, 30.0, "[]") is False
    assert store.workers() == []


def test_a_cancelled_run_of_a_dead_worker_is_cancelled_instead_of_queued(store, worker):
    run = add(store)
    claim_one(store, worker)
    store.cancel(run.run_id)

    store.rescue(row_of(store, worker))

    stored = store.get(run.run_id)
    assert (stored.state, stored.reason) == (State.CANCELLED, Reason.ASKED)


def test_a_rescued_run_is_claimed_under_the_next_number(store, worker):
    add(store)
    claim_one(store, worker)
    store.rescue(row_of(store, worker))

    assert claim_one(store, add_worker(store)).attempt == 2


def test_a_beat_renews_the_lease_and_tells_the_names(store, clock, worker):
    clock.set(29)
    before = row_of(store, worker)

    beaten = store.beat(worker, 30.0, '["other.job"]')

    clock.set(58)
    after = row_of(store, worker)
    assert beaten is True
    assert (before.beat, after.beat) == (0, 1)
    assert (before.names, after.names) == ((JOB,), ("other.job",))
    assert after.live


@pytest.mark.parametrize(("seconds", "live"), [(29.9, True), (30, False), (31, False)])
def test_a_worker_is_live_until_its_lease_is_out(store, clock, worker, seconds, live):
    clock.set(seconds)

    row = row_of(store, worker)

    assert (row.live, row.expired) == (live, not live)


def test_a_worker_row_is_kept_while_a_run_names_it(store, worker):
    add(store)
    taken = claim_one(store, worker)

    store.forget(worker)
    kept = store.workers()
    settle(store, worker, outcome(taken))
    store.forget(worker)

    assert [row.worker_id for row in kept] == [worker]
    assert store.workers() == []


@pytest.mark.parametrize(
    ("queues", "queue", "name", "serves"),
    [
        ((), "mail", JOB, True),
        (("mail",), "mail", JOB, True),
        (("mail",), "default", JOB, False),
        ((), "mail", "other.job", False),
    ],
)
def test_a_worker_serves_its_queues_and_its_names(store, queues, queue, name, serves):
    worker = add_worker(store, queues=queues)

    assert row_of(store, worker).serves(queue, name) is serves


def test_due_runs_are_queued_and_the_wait_for_the_next_is_told(store, clock):
    first = add(store, delay=10.0)
    second = add(store, delay=25.0)
    waits = []

    for seconds in (0, 9.5, 10, 30):
        clock.set(seconds)
        assert (store.next_due() == 0) is (seconds >= 10)
        waits.append((store.stage_due(), store.get(first.run_id).state))

    assert waits == [
        (10.0, State.SCHEDULED),
        (0.5, State.SCHEDULED),
        (15.0, State.QUEUED),
        (None, State.QUEUED),
    ]
    assert store.get(second.run_id).state is State.QUEUED


def test_nothing_scheduled_is_nothing_to_wait_for(store):
    add(store)

    assert store.stage_due() is None
    assert store.next_due() is None


def test_a_run_that_crashed_again_waits_before_it_is_due(store, clock):
    run = add(store)
    for seconds in (0, 1):
        clock.set(seconds)
        worker = add_worker(store)
        claim_one(store, worker)
        store.rescue(row_of(store, worker))

    waits = store.stage_due()

    assert store.get(run.run_id).state is State.SCHEDULED
    assert waits == 5.0


def test_only_the_cancels_a_worker_is_to_honour_are_told_to_it(store, worker):
    other = add_worker(store)
    mine, theirs, _untouched = store.insert([asked(tags=(str(n),)) for n in range(3)])
    first = claim_one(store, worker)
    second = claim_one(store, other)
    claim_one(store, worker)

    for run in (mine, theirs):
        store.cancel(run.run_id)

    assert (first.run_id, second.run_id) == (mine.run_id, theirs.run_id)
    assert store.cancels_asked(worker) == [(mine.run_id, 1)]
    assert store.cancels_asked(other) == [(theirs.run_id, 1)]
