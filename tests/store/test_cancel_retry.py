"""cancel and reopen: leaving the line, and entering it again."""

from __future__ import annotations

import pytest
from attrs import evolve
from store_hands import (
    PROVIDER,
    add,
    asked,
    claim,
    claim_one,
    everything,
    finish,
    offer,
    outcome,
    settle,
    states,
)

from jobreg import Backoff, UnknownRun
from jobreg.lifecycle import Ending, Progress, Reason, State

RETRY = {"max_attempts": 5, "backoff": Backoff(first=8)}


@pytest.mark.parametrize("delay", [0.0, 60.0])
def test_a_run_that_waits_is_cancelled_at_once(store, worker, delay):
    run = add(store, delay=delay)

    told = store.cancel(run.run_id)

    assert told == store.get(run.run_id)
    assert (told.state, told.reason, told.attempt) == (State.CANCELLED, Reason.ASKED, 0)
    assert told.finished_at is not None
    assert store.due() == []
    assert everything(store)["jobreg_live"] == []
    assert store.attempts(run.run_id) == []


def test_a_cancelled_retry_keeps_what_its_attempts_have_shown(store, worker):
    run = add(store, priority=4, queue="mail")
    taken = claim_one(store, worker, **RETRY)
    store.note_progress(worker, [(run.run_id, 1, Progress(1, 2))])
    settle(store, worker, outcome(taken, Ending.ERROR))

    told = store.cancel(run.run_id)

    assert (told.attempt, told.tries, told.crashes) == (1, 1, 0)
    assert (told.queue, told.priority, told.progress) == ("mail", 4, Progress(1, 2))
    assert told.provider == PROVIDER


def test_a_running_run_is_asked_to_end(store, worker):
    run = add(store)
    claim_one(store, worker)

    told = store.cancel(run.run_id)

    assert told.state is State.RUNNING
    assert store.cancels_asked(worker) == [(run.run_id, 1)]


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        (Ending.ERROR, {}),
        (Ending.TIMEOUT, {}),
        (Ending.CRASHED, {}),
        (Ending.RELEASED, {}),
        (Ending.RELEASED, {"started": 1.0}),
    ],
    ids=str,
)
def test_a_cancel_is_honoured_when_the_run_would_wait_again(store, worker, ending, said):
    run = add(store)
    taken = claim_one(store, worker, **RETRY)
    store.cancel(run.run_id)

    settle(store, worker, outcome(taken, ending, **said))

    stored = store.get(run.run_id)
    assert (stored.state, stored.reason) == (State.CANCELLED, Reason.ASKED)
    assert everything(store)["jobreg_live"] == []


@pytest.mark.parametrize(
    ("ending", "state"), [(Ending.SUCCEEDED, State.SUCCEEDED), (Ending.ERROR, State.FAILED)]
)
def test_a_cancel_that_came_too_late_changes_no_final_outcome(store, worker, ending, state):
    run = add(store)
    taken = claim_one(store, worker)
    store.cancel(run.run_id)

    settle(store, worker, outcome(taken, ending))

    assert store.get(run.run_id).state is state


def test_cancelling_a_final_run_leaves_it_as_it_is(store, worker):
    run = add(store)
    finish(store, worker)
    before = everything(store)

    told = store.cancel(run.run_id)

    assert told.state is State.SUCCEEDED
    assert everything(store) == before


def test_cancelling_twice_is_cancelling_once(store):
    run = add(store)

    assert store.cancel(run.run_id) == store.cancel(run.run_id)


def test_a_run_nobody_asked_for_cannot_be_cancelled(store):
    with pytest.raises(UnknownRun):
        store.cancel(asked().run_id)


def test_a_failed_run_is_queued_again_cleared_and_its_numbers_go_on(store, clock, worker):
    run = add(store, params='{"a":1}', queue="mail", priority=3, max_crashes=9, tags=("x",))
    finish(store, worker, Ending.CRASHED)
    clock.set(100)
    store.stage_due()
    finish(store, worker, Ending.ERROR)
    failed = store.get(run.run_id)

    reopened = store.reopen(failed)

    stored = store.get(run.run_id)
    assert (failed.state, failed.attempt, failed.crashes) == (State.FAILED, 2, 1)
    assert reopened is True
    assert (stored.state, stored.reason, stored.error) == (State.QUEUED, None, None)
    assert (stored.attempt, stored.tries, stored.crashes) == (2, 0, 0)
    assert (stored.finished_at, stored.result) == (None, None)
    assert (stored.params, stored.queue, stored.priority) == ('{"a":1}', "mail", 3)
    assert (stored.max_crashes, stored.tags) == (9, ("x",))
    assert (stored.worker_id, stored.provider) == (None, PROVIDER)  # the latest attempt's
    assert [each.outcome for each in store.attempts(run.run_id)] == [Ending.CRASHED, Ending.ERROR]
    assert claim_one(store, worker).attempt == 3


def test_a_cancelled_run_can_be_queued_again(store, worker):
    run = add(store, delay=60.0)
    cancelled = store.cancel(run.run_id)

    assert store.reopen(cancelled) is True
    assert store.get(run.run_id).state is State.QUEUED
    assert claim_one(store, worker).attempt == 1


def test_a_reopened_run_is_due_now_and_goes_to_the_end_of_the_line(store, clock, worker):
    first = add(store)
    finish(store, worker, Ending.ERROR)
    clock.set(10)
    second = add(store)
    clock.set(20)

    store.reopen(store.get(first.run_id))

    order = [taken.run_id for taken in claim(store, worker)]
    assert order == [second.run_id, first.run_id]


def test_a_run_that_was_asked_to_end_runs_unasked_when_it_is_queued_again(store, worker):
    run = add(store)
    taken = claim_one(store, worker)
    store.cancel(run.run_id)
    settle(store, worker, outcome(taken, Ending.CANCELLED))
    store.reopen(store.get(run.run_id))

    finish(store, worker)

    assert store.get(run.run_id).state is State.SUCCEEDED


@pytest.mark.parametrize("state", ["scheduled", "queued", "running", "succeeded"])
def test_only_a_failed_or_cancelled_run_can_be_queued_again(store, worker, state):
    run = add(store, delay=60.0 if state == "scheduled" else 0.0)
    if state == "running":
        claim_one(store, worker)
    if state == "succeeded":
        finish(store, worker)
    before = everything(store)

    reopened = store.reopen(store.get(run.run_id))

    assert reopened is False
    assert states(store) == {state: 1}
    assert everything(store) == before


def test_a_run_is_queued_again_only_as_it_was_seen(store, worker):
    run = add(store)
    finish(store, worker, Ending.ERROR)
    seen = store.get(run.run_id)
    store.reopen(seen)
    finish(store, worker, Ending.ERROR)
    before = everything(store)

    reopened = store.reopen(seen)

    assert (seen.attempt, store.get(run.run_id).attempt) == (1, 2)
    assert reopened is False
    assert everything(store) == before


def test_only_one_of_two_retries_queues_the_run(store, worker):
    run = add(store)
    finish(store, worker, Ending.ERROR)
    seen = store.get(run.run_id)

    assert [store.reopen(seen), store.reopen(seen)] == [True, False]
    assert states(store) == {"queued": 1}


def test_a_zombies_outcome_is_refused_after_the_run_was_queued_again(store, worker):
    run = add(store)
    taken = claim_one(store, worker)
    settle(store, worker, outcome(taken, Ending.ERROR))
    store.reopen(store.get(run.run_id))
    before = everything(store)

    refused = settle(store, worker, outcome(evolve(taken, attempt=2)))

    assert len(refused) == 1
    assert everything(store) == before


def test_a_job_without_a_queue_of_its_own_leaves_a_reopened_run_where_it_was(store, worker):
    run = add(store)
    claims = claim(store, worker, offer(queue="mail", most=1))
    settle(store, worker, outcome(claims[0], Ending.ERROR))

    store.reopen(store.get(run.run_id))

    assert store.get(run.run_id).queue == "mail"
