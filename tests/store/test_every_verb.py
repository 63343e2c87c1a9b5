"""Every verb is asked on every database; those here are what people look at, and forks."""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path

import pytest
from store_hands import (
    JOB,
    START,
    add,
    add_worker,
    asked,
    claim,
    claim_one,
    finish,
    offer,
    outcome,
    settle,
)

from jobreg import Conflict
from jobreg.lifecycle import Ending, State
from jobreg.store import Store, open_store


def test_every_public_verb_is_asked_in_this_folder():
    text = "".join(file.read_text("utf-8") for file in Path(__file__).parent.glob("test_*.py"))
    text += (Path(__file__).parents[1] / "store_hands.py").read_text("utf-8")
    verbs = [name for name, _ in inspect.getmembers(Store, inspect.isfunction) if name[0] != "_"]

    unasked = [verb for verb in verbs if not re.search(rf"\b(store|opened|self)\.{verb}\b", text)]

    assert len(verbs) > 25
    assert unasked == []


def test_depths_ages_and_rates(store, clock, worker):
    for _ in range(4):
        add(store)
    clock.set(10)
    add(store, delay=100.0)
    finish(store, worker)
    finish(store, worker, Ending.ERROR)
    claim(store, worker, offer(most=1))
    clock.set(30)

    load = store.load(60)

    found = {(each.queue, each.state): (each.number, each.age) for each in load.depths}
    assert found == {
        ("default", State.QUEUED): (1, 30.0),
        ("default", State.RUNNING): (1, 30.0),
        ("default", State.SCHEDULED): (1, -80.0),
    }
    assert load.per_minute[State.SUCCEEDED] == 1.0
    assert load.per_minute[State.FAILED] == 1.0
    assert type(load.depths[0].number) is int
    assert type(load.depths[0].age) is float


def test_who_holds_how_many_and_what_is_ahead(store, worker):
    runs = [add(store, priority=priority) for priority in (0, 5, 0, 9)]
    other = add_worker(store)

    ahead = [store.ahead_of(run.run_id) for run in runs]
    claim(store, worker, offer(most=3))

    assert ahead == [2, 1, 3, 0]
    assert store.busy() == {worker: 3}
    assert other not in store.busy()
    assert store.waiting() == [("default", JOB, 1)]
    assert store.counts()["running"] == 3


def test_a_clock_that_is_given_stands_in_for_the_databases(store, worker):
    moments = iter(range(START, START + 10**9, 1_000_000))
    store.take_time_from(lambda: next(moments))

    first, second = add(store), add(store, delay=90.0)

    assert first.created_at < second.created_at
    assert (second.scheduled_at - second.created_at).total_seconds() > 89
    assert first.created_at.year == 2027


def test_an_id_that_is_there_is_refused(store):
    run = add(store)

    store.refuse_known(asked().run_id)
    with pytest.raises(Conflict, match=run.run_id):
        store.refuse_known(run.run_id)


def test_ids_are_found_by_their_beginning(store):
    ids = sorted(run.run_id for run in store.insert([asked() for _ in range(5)]))

    assert store.ids_between(ids[1], ids[3]) == ids[1:4]
    assert store.ids_between(ids[0], ids[4], most=2) == ids[:2]


def test_a_forked_child_has_connections_of_its_own(store, worker):
    run = add(store)
    with store.reading():  # one connection is in use, others are kept
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                settle(store, worker, outcome(claim_one(store, worker)))
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert store.get(run.run_id).state is State.SUCCEEDED
    assert add(store).attempt == 0
    assert open_store(store.full_url).counts()["succeeded"] == 1


def test_several_are_read_at_once_and_who_is_not_there_is_left_out(store):
    one, other = add(store), add(store)
    missing = "00000000-0000-7000-8000-000000000000"

    found = store.several([one.run_id, missing, other.run_id])

    assert found == {one.run_id: one, other.run_id: other}


def test_a_live_worker_is_asked_to_drain_and_no_other(store, worker):
    assert store.ask_worker(worker, "drain")
    assert not store.ask_worker("00000000-0000-4000-8000-ffffffffffff", "drain")

    (row,) = store.workers()
    assert (row.asked, row.shown) == ("drain", "draining")
    store.beat(worker, 30.0, "[]", "degraded")
    assert store.workers()[0].shown == "degraded"


def test_what_a_worker_holds_is_told_with_its_counters(store, worker):
    run = add(store)
    add(store)
    taken = claim_one(store, worker)

    (held,) = store.holding(worker)

    assert (held.run_id, held.attempt, held.tries, held.crashes) == (run.run_id, 1, 0, 0)
    settle(store, worker, outcome(taken))
    assert store.holding(worker) == []
