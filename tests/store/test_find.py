"""find, counts and waiting: reading what there is."""

from __future__ import annotations

import pytest
from store_hands import JOB, Ending, add, asked, claim_one, finish, states

from jobreg.lifecycle import State
from jobreg.selection import Selection


@pytest.fixture
def some(store, worker):
    """One run in each state, and one of another job; their ids by state."""
    made = {}
    for state, ending in (("succeeded", Ending.SUCCEEDED), ("failed", Ending.ERROR)):
        made[state] = add(store).run_id
        finish(store, worker, ending)
    made["cancelled"] = add(store).run_id
    store.cancel(made["cancelled"])
    made["running"] = add(store).run_id
    claim_one(store, worker)
    made["queued"] = add(store).run_id
    made["scheduled"] = add(store, delay=60.0).run_id
    made["other"] = add(store, "other.job").run_id
    return made


def ids(page):
    return [run.run_id for run in page[0]]


def test_runs_come_newest_first(store, some):
    assert ids(store.find()) == list(reversed(some.values()))


@pytest.mark.parametrize("state", list(State))
def test_runs_are_found_by_state(store, some, state):
    found = ids(store.find(Selection(state=state, job_name=JOB)))

    assert found == [some[state.value]]


def test_runs_are_found_by_job_name_and_state_together(store, some):
    assert ids(store.find(Selection(job_name="other.job"))) == [some["other"]]
    assert ids(store.find(Selection(job_name="other.job", state=State.FAILED))) == []
    assert ids(store.find(Selection(job_name="no.such_job"))) == []
    assert ids(store.find(Selection(state=State.QUEUED))) == [some["other"], some["queued"]]


def test_pages_follow_each_other_without_gap_or_repeat(store):
    wanted = [run.run_id for run in store.insert([asked() for _ in range(7)])][::-1]

    found, before, pages = [], None, 0
    while pages == 0 or before is not None:
        page, before = store.find(cursor=before, most=3)
        found += [run.run_id for run in page]
        pages += 1

    assert (found, pages) == (wanted, 3)


def test_a_page_that_is_just_full_is_the_last(store):
    store.insert([asked() for _ in range(3)])

    page, following = store.find(most=3)

    assert (len(page), following) == (3, None)


def test_runs_submitted_meanwhile_do_not_move_the_pages(store):
    old = [run.run_id for run in store.insert([asked() for _ in range(4)])][::-1]
    first, following = store.find(most=2)
    store.insert([asked() for _ in range(3)])

    second, _ = store.find(cursor=following, most=2)

    assert [run.run_id for run in first + second] == old


def test_before_the_very_first_run_there_is_nothing(store):
    add(store)

    assert store.find(cursor="0") == ([], None)


def test_runs_are_counted_in_every_state(store, some):
    assert store.counts() == {state.value: 1 + (state == "queued") for state in State}


def test_an_empty_store_counts_none(store):
    assert store.counts() == dict.fromkeys((state.value for state in State), 0)
    assert states(store) == {}


def test_what_waits_is_counted_by_queue_and_name(store, clock, worker):
    add(store)
    claim_one(store, worker)
    store.insert([asked(), asked(), asked("b.job", queue="mail"), asked(delay=60.0)])

    before = store.waiting()
    clock.set(60)

    assert sorted(before) == [("default", JOB, 2), ("mail", "b.job", 1)]
    assert sorted(store.waiting()) == [("default", JOB, 3), ("mail", "b.job", 1)]


def test_a_run_without_attempts_has_none(store):
    assert store.attempts(add(store).run_id) == []


def test_runs_are_found_by_queue_while_they_wait_and_after(store, worker):
    mine = [add(store, queue="mail").run_id for _ in range(3)]
    add(store)
    store.cancel(mine[0])
    claim_one(store, worker)

    assert ids(store.find(Selection(queue="mail"))) == mine[::-1]
    assert ids(store.find(Selection(queue="mail", state=State.CANCELLED))) == [mine[0]]
    assert ids(store.find(Selection(queue="no.such"))) == []


def test_ids_are_found_by_their_range(store):
    made = sorted(add(store).run_id for _ in range(5))

    assert store.ids_between(made[1], made[3]) == made[1:4]
    assert store.ids_between(made[0], made[4], most=2) == made[:2]
    assert store.ids_between("f", "g") == []
