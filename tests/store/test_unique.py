"""Unique keys: of the runs of a job with one key one is unfinished, whoever submits at once."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from attrs import evolve
from store_hands import (
    JOB,
    PROVIDER,
    add,
    asked,
    claim_one,
    finish,
    offer,
    outcome,
    settle,
    states,
)
from test_hammer import by_processes

from jobreg import Conflict
from jobreg.lifecycle import Ending, Reason, State

KEY = "account 42"


def with_key(policy="return", key=KEY, job_name=JOB, **said):
    return asked(job_name, unique_key=key, unique_policy=policy, **said)


def submit(store, policy="return", **said):
    return store.insert([with_key(policy, **said)])[0]


def test_a_second_submit_with_the_key_returns_the_unfinished_run(store, worker):
    first = submit(store, params='{"n":1}')

    waiting = submit(store, params='{"n":2}')
    claim_one(store, worker)
    running = submit(store)

    assert {first.run_id} == {waiting.run_id, running.run_id}
    assert running.state is State.RUNNING
    assert (first.unique_key, running.params) == (KEY, '{"n":1}')
    assert states(store) == {"running": 1}


def test_keys_are_of_one_job_and_of_unfinished_runs(store, worker):
    first = submit(store)
    other = submit(store, job_name="other.job")
    finish(store, worker)

    again = submit(store)

    assert len({first.run_id, other.run_id, again.run_id}) == 3
    assert store.get(first.run_id).unique_key == KEY
    assert submit(store, key=KEY.upper()).run_id not in (first.run_id, again.run_id)


@pytest.mark.parametrize("policy", ["reject", "replace"])
def test_of_two_with_one_key_submitted_together_neither_is_stored(store, policy):
    first, second = with_key("return"), with_key(policy)

    told = f"Two of these runs .* 'account 42', {first.run_id} and {second.run_id}"
    with pytest.raises(Conflict, match=told):
        store.insert([first, second])

    assert states(store) == {}


def test_a_submit_may_be_rejected_and_stores_nothing(store):
    first = submit(store)

    with pytest.raises(Conflict, match=rf"{first.run_id}.*unique key 'account 42' and is not over"):
        store.insert([asked(), with_key("reject"), asked()])

    assert states(store) == {"queued": 1}


def test_a_waiting_run_is_replaced(store, clock, worker):
    first = submit(store, "replace")
    later = submit(store, "replace", delay=60.0)

    replaced = store.get(first.run_id)
    assert (replaced.state, replaced.reason) == (State.CANCELLED, Reason.REPLACED)
    assert later.state is State.SCHEDULED
    assert submit(store).run_id == later.run_id


def test_a_running_run_is_replaced_and_its_worker_is_asked_to_end_it(store, worker):
    first = submit(store)
    taken = claim_one(store, worker)

    second = submit(store, "replace")

    assert second.state is State.QUEUED
    assert store.cancels_asked(worker) == [(first.run_id, 1)]
    assert settle(store, worker, outcome(taken, Ending.CANCELLED)) == []
    replaced = store.get(first.run_id)
    assert (replaced.state, replaced.reason) == (State.CANCELLED, Reason.REPLACED)
    assert replaced.unique_key == KEY
    assert submit(store).run_id == second.run_id


def test_a_replaced_run_that_fails_first_is_not_tried_again(store, worker):
    first = submit(store, max_attempts=5)
    taken = claim_one(store, worker, max_attempts=5)
    submit(store, "replace")

    settle(store, worker, outcome(taken, Ending.ERROR))

    replaced = store.get(first.run_id)
    assert (replaced.state, replaced.reason) == (State.CANCELLED, Reason.REPLACED)


def test_a_replaced_run_that_succeeds_first_has_succeeded(store, worker):
    first = submit(store)
    taken = claim_one(store, worker)
    submit(store, "replace")

    settle(store, worker, outcome(taken))

    assert store.get(first.run_id).state is State.SUCCEEDED


def test_the_same_id_again_is_the_same_run_whatever_the_policy(store):
    run = with_key("replace")

    first, second = store.insert([run])[0], store.insert([run])[0]

    assert first.run_id == second.run_id
    assert states(store) == {"queued": 1}


def test_one_key_twice_in_one_submit(store):
    first, second, third = store.insert([with_key(), asked(), with_key()])

    assert first.run_id == third.run_id != second.run_id
    with pytest.raises(Conflict, match="unique key 'k'"):
        store.insert([with_key("replace", key="k"), with_key("replace", key="k")])
    assert states(store) == {"queued": 2}


def test_a_run_is_not_queued_again_while_another_has_its_key(store, worker):
    first = submit(store)
    store.cancel(first.run_id)
    second = submit(store)

    with pytest.raises(Conflict, match=rf"{second.run_id} has the unique key"):
        store.reopen(store.get(first.run_id))

    store.cancel(second.run_id)
    assert store.reopen(store.get(first.run_id)) is True
    assert submit(store).run_id == first.run_id


def test_a_run_that_is_executed_here_conflicts_or_replaces(store, worker):
    first = submit(store)

    with pytest.raises(Conflict, match=first.run_id):
        store.insert_claimed(with_key(), worker, offer())

    taken = store.insert_claimed(with_key("replace"), worker, offer())
    assert taken is not None
    assert store.get(first.run_id).reason is Reason.REPLACED
    settle(store, worker, evolve(outcome(evolve(taken, provider=PROVIDER)), started=1.0))
    assert states(store) == {"succeeded": 1, "cancelled": 1}


@pytest.mark.parametrize("policy", ["return", "replace", "reject"])
def test_many_that_submit_one_key_at_once_leave_one_unfinished_run(store, policy):
    start = threading.Barrier(8)

    def once(_):
        start.wait(30)
        try:
            return submit(store, policy).run_id
        except Conflict:
            return "rejected"

    with ThreadPoolExecutor(8) as threads:
        told = Counter(threads.map(once, range(8)))

    left = states(store)
    assert left["queued"] == 1
    if policy == "return":
        assert (len(told), left) == (1, {"queued": 1})
    elif policy == "reject":
        assert (told["rejected"], left) == (7, {"queued": 1})
    else:
        assert (len(told), left) == (8, {"queued": 1, "cancelled": 7})


def one_id_and_one_key(store, _worker, _seconds):
    """What each of several processes submits, many times."""
    same = asked()
    ids = {store.insert([evolve(same, run_id="01a20c95-0000-7000-8000-000000000001")])[0].run_id}
    for number in range(20):
        ids.add(store.insert([with_key(key=f"k{number}")])[0].run_id)
    return ids


def test_eight_processes_that_submit_the_same_ids_and_keys_make_one_run_of_each(store):
    told = by_processes(store, one_id_and_one_key)

    assert [each for each in told if isinstance(each, str)] == []
    assert len(set().union(*told)) == 21
    assert states(store) == {"queued": 21}


def test_settling_frees_the_key_also_of_a_lost_worker(store, worker):
    from store_hands import row_of

    run = submit(store)
    claim_one(store, worker)
    store.rescue(row_of(store, worker))

    assert submit(store).run_id == run.run_id  # it waits again, and has its key
    add(store)
