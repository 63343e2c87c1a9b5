"""Suspects: lost with their worker among others, they run alone next, and are not passed over."""

from __future__ import annotations

import pytest
from attrs import evolve
from sqlalchemy import event
from store_hands import add, add_worker, asked, claim, offer, outcome, row_of, settle

from jobreg.lifecycle import Ending, State
from jobreg.options import JobOptions


@pytest.fixture
def suspects(store, worker):
    """Two runs that were lost together, in their order."""
    runs = store.insert([asked() for _ in range(2)])
    claim(store, worker)
    store.rescue(row_of(store, worker))
    return [run.run_id for run in runs]


def test_a_suspect_is_claimed_by_itself(store, suspects):
    fresh = add(store)
    worker = add_worker(store)

    (first,) = claim(store, worker)
    settle(store, worker, outcome(first))
    (second,) = claim(store, worker)
    settle(store, worker, outcome(second))
    (last,) = claim(store, worker)

    assert [first.run_id, second.run_id, last.run_id] == [*suspects, fresh.run_id]
    assert [first.suspect, second.suspect, last.suspect] == [True, True, False]


@pytest.mark.parametrize("store_url", ["sqlite", "postgres"], indirect=True)
def test_a_suspect_alone_is_claimed_at_once(store, suspects):
    worker, said = add_worker(store), list[str]()
    due = store.due()
    event.listen(store.engine, "before_cursor_execute", lambda *told: said.append(told[2]))

    (taken,) = store.claim(worker, due, [offer(most=1)], alone=True)

    assert (taken.run_id, taken.suspect) == (suspects[0], True)
    assert said == [], "nothing by way of SQLAlchemy"
    settle(store, worker, outcome(taken))
    assert store.claim(worker, due, [offer(most=1)], alone=False) == []
    assert len(store.claim(worker, due, [offer(most=2)], alone=True)) == 1


def test_a_worker_that_holds_something_takes_what_comes_before_a_suspect_and_no_more(
    store, suspects
):
    urgent, later = add(store, priority=5), add(store)
    worker = add_worker(store)

    taken = store.claim(worker, store.due(), [offer()], alone=False)
    again = store.claim(worker, store.due(), [offer()], alone=False)

    assert [each.run_id for each in taken] == [urgent.run_id]
    assert again == []
    assert store.get(later.run_id).state is State.QUEUED


def test_a_suspect_that_is_lost_again_is_charged_and_no_suspect_any_more(store, suspects):
    worker = add_worker(store)
    (taken,) = claim(store, worker)

    store.rescue(row_of(store, worker))

    stored = store.get(taken.run_id)
    assert (stored.state, stored.crashes) == (State.QUEUED, 1)
    next_worker = add_worker(store)
    seen = []
    while claims := claim(store, next_worker):
        seen += [(each.run_id, each.suspect) for each in claims]
        settle(store, next_worker, *map(outcome, claims))
    assert seen == [(suspects[0], False), (suspects[1], True)]


@pytest.mark.parametrize(
    ("ending", "still"), [(Ending.RELEASED, True), (Ending.ERROR, False), (Ending.SNOOZED, False)]
)
def test_a_suspect_given_back_stays_one_and_one_that_ran_does_not(store, suspects, ending, still):
    worker = add_worker(store)
    (taken,) = claim(store, worker)
    after = {"after": 0.0} if ending is not Ending.RELEASED else {}
    settle(
        store, worker, outcome(evolve(taken, options=JobOptions(max_attempts=2)), ending, **after)
    )
    store.stage_due()

    seen = []
    while claims := claim(store, worker):
        seen += [(each.run_id, each.suspect) for each in claims]
        settle(store, worker, *map(outcome, claims))

    assert dict(seen) == {suspects[0]: still, suspects[1]: True}
