"""Every filter of find, alone and together, on each database; pages that follow each other."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from store_hands import JOB, START, Ending, add, asked, claim_one, finish, outcome, settle

from jobreg import BadInput
from jobreg.lifecycle import State
from jobreg.selection import Selection, select_runs
from jobreg.store.records import from_stored_time


def found(store, **wanted):
    """The ids of all runs that are found, read in pages of two."""
    ids, cursor = [], None
    for _ in range(100):
        page, cursor = store.find(Selection(**wanted), cursor=cursor, most=2)
        assert len(page) <= 2
        ids += [run.run_id for run in page]
        if cursor is None:
            return ids
    raise AssertionError("pages without an end")


def ids(runs):
    return [run.run_id for run in runs]


def at(seconds: float) -> datetime:
    moment = from_stored_time(START + round(seconds * 1_000_000))
    assert moment is not None
    return moment


def test_runs_are_found_by_reason(store, worker):
    failed = [add(store) for _ in range(5)]
    for ending in (Ending.ERROR, Ending.TIMEOUT, Ending.ERROR, Ending.TIMEOUT, Ending.TIMEOUT):
        finish(store, worker, ending)

    assert found(store, reason="timeout") == ids([failed[4], failed[3], failed[1]])
    assert found(store, reason="error", state=State.FAILED) == ids([failed[2], failed[0]])
    assert found(store, reason="error", state=State.CANCELLED) == []


def test_a_name_with_a_space_at_its_end_is_another_name(store, worker):
    add(store)
    finish(store, worker)
    add(store)

    for name in (f"{JOB} ", f" {JOB}"):
        assert found(store, job_name=name) == []
        assert found(store, job_name=name, state=State.QUEUED) == []
        assert found(store, job_name=name, state=State.SUCCEEDED) == []


def test_runs_are_found_by_provider_and_version(store, worker):
    done, running, waiting = add(store), add(store), add(store)
    finish(store, worker)
    claim_one(store, worker)

    assert found(store, dist="acme-reports") == ids([running, done])
    assert found(store, dist="acme-reports", version="1.0") == ids([running, done])
    assert found(store, version="2.0") == []
    assert found(store, dist="acme-reports", state=State.RUNNING) == [running.run_id]
    assert waiting.run_id not in found(store, version="1.0")


def test_runs_have_all_the_tags_asked_for_and_not_parts_of_them(store):
    runs = {
        tags: add(store, tags=tags).run_id
        for tags in (("a",), ("b", "a"), ("A",), ('x"a',), ("ab", "ba"), ("é%_",), ("%",), ("😀",))
    }

    assert found(store, tags=("a",)) == [runs["b", "a"], runs[("a",)]]
    assert found(store, tags=("a", "b")) == [runs["b", "a"]]
    assert found(store, tags=("A",)) == [runs[("A",)]]
    for tag in ('x"a', "é%_", "%", "😀"):
        assert found(store, tags=(tag,)) == [runs[(tag,)]]
    assert found(store, tags=("x",)) == []


def test_a_time_range_is_of_submits_with_its_first_moment_and_without_its_last(store, clock):
    runs = []
    for second in (0, 1, 1, 2, 3):
        clock.set(second)
        runs.append(add(store))

    assert found(store, since=at(1)) == ids(runs[:0:-1])
    assert found(store, until=at(1)) == ids(runs[:1])
    assert found(store, since=at(1), until=at(2)) == ids([runs[2], runs[1]])
    assert found(store, since=at(1), until=at(2), state=State.QUEUED) == ids([runs[2], runs[1]])
    assert found(store, since=at(1), until=at(2), state=State.FAILED) == []
    assert found(store, since=at(4)) == []


def test_pages_of_a_time_range_go_by_time_also_where_ids_do_not(store, clock):
    clock.set(5)
    late = add(store)
    clock.set(1)
    early = add(store)

    assert found(store, since=at(0)) == ids([late, early])


def test_unfinished_runs_come_as_they_became_due(store, clock, worker):
    clock.set(0)
    later, first, second = add(store, delay=60.0), add(store), add(store)

    assert found(store, state=State.QUEUED) == ids([second, first])

    clock.set(61)
    store.stage_due()
    third = add(store)

    assert found(store, state=State.QUEUED) == ids([third, later, second, first])
    assert found(store, state=State.QUEUED, job_name=JOB, queue="default") == ids(
        [third, later, second, first]
    )


PARAMS = [
    {"account": 42},
    {"account": 42.0, "deep": {"list": [1, {"x": "é"}]}},
    {"account": True},
    {"account": "42"},
    {"account": None},
    {"account": 2**70, "text": "a\0b😀"},
    {},
]


@pytest.mark.parametrize(
    ("params", "which"),
    [
        ({"account": 42}, (1, 0)),
        ({"account": 42, "deep.list.1.x": "é"}, (1,)),
        ({"deep": {"list": [1.0, {"x": "é"}]}}, (1,)),
        ({"account": True}, (2,)),
        ({"account": 1}, ()),
        ({"account": "42"}, (3,)),
        ({"account": None}, (4,)),
        ({"account": 2**70}, (5,)),
        ({"text": "a\0b😀"}, (5,)),
        ({"deep.list.2": 1}, ()),
    ],
)
def test_parameters_are_compared_as_json(store, params, which):
    runs = [add(store, params=json.dumps(each)) for each in PARAMS]
    add(store, "other.job", params='{"account": 42}')
    wanted = select_runs({"job_name": JOB, "params": params}, datetime.now)

    assert found(store, job_name=JOB, params=wanted.params) == [runs[n].run_id for n in which]


def test_a_page_that_reads_much_may_be_short_and_goes_on(store, monkeypatch):
    from jobreg.store import finding

    monkeypatch.setattr(finding, "_MOST_READ", 20)
    monkeypatch.setattr(finding, "_AT_ONCE", 10)
    wanted = Selection(tags=("rare",))
    rare = add(store, tags=("rare",))
    # So written that the database cannot tell it from the tag, only who reads it can.
    store.insert([asked(tags=('x"rare',)) for _ in range(45)])

    page, cursor = store.find(wanted)

    assert page == []
    assert cursor is not None
    assert found(store, tags=("rare",)) == [rare.run_id]


def test_names_of_one_job_are_found_together_in_order(store, worker):
    runs = [add(store, ("b.new", "a.old", "c.other")[n % 3]) for n in range(9)]
    both = [run for run in runs if run.job_name != "c.other"][::-1]

    assert found(store, job_name="b.new", aliases=("a.old",)) == ids(both)
    assert found(store, job_name="b.new", aliases=("a.old",), state=State.QUEUED) == ids(both)
    assert found(store, job_name="b.new", aliases=("a.old",), queue="mail") == []
    since = datetime.fromisoformat("2000-01-01T00:00Z")
    assert found(store, job_name="b.new", aliases=("a.old",), since=since) == ids(both)


def test_runs_that_change_while_pages_are_read_are_not_told_twice(store, worker):
    runs = [add(store) for _ in range(6)]
    page, cursor = store.find(Selection(state=State.QUEUED), most=3)
    claimed = claim_one(store, worker)
    settle(store, worker, outcome(claimed))
    new = add(store)

    rest, _ = store.find(Selection(state=State.QUEUED), cursor=cursor, most=9)

    assert ids(page) == ids(runs[:2:-1])
    assert ids(rest) == ids([runs[2], runs[1]])
    assert new.run_id not in ids(rest)


@pytest.mark.parametrize(
    ("wanted", "cursor"),
    [
        (Selection(), "t1-2"),
        (Selection(), "x"),
        (Selection(since=at(0)), "12"),
        (Selection(since=at(0)), "d1-2"),
        (Selection(state=State.QUEUED), "t1-2"),
        (Selection(state=State.QUEUED), "d1"),
        (Selection(state=State.FAILED), "d1-2"),
    ],
)
def test_a_cursor_of_other_filters_is_refused(store, wanted, cursor):
    with pytest.raises(BadInput, match="is not one that a page of these filters gave"):
        store.find(wanted, cursor=cursor)


def test_the_clock_of_the_store_is_told(store, clock):
    clock.set(7)

    assert store.time() == at(7)
    assert store.time() + timedelta(seconds=1) == at(8)
