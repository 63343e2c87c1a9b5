"""insert: all or none, once per id."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from operator import itemgetter

import pytest
from attrs import evolve
from store_hands import JOB, START, add, asked, claim, everything, offer, states

from jobreg import Conflict, StoreError, UnknownRun
from jobreg.lifecycle import State
from jobreg.store.inserting import Inserting

NOW = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=START)


def test_a_new_run_is_queued_with_what_was_asked(store, clock):
    run = asked(
        params='{"account":42}', queue="mail", priority=5, timeout=1.5, max_attempts=3,
        max_crashes=2, tags=("x", "ü"),
    )  # fmt: skip

    (stored,) = store.insert([run])

    expected = evolve(run, state=State.QUEUED, created_at=NOW, scheduled_at=NOW)
    assert stored == store.get(run.run_id) == expected


def test_what_was_not_asked_is_filled_in(store):
    run = add(store)

    assert (run.queue, run.priority, run.params, run.tags) == ("default", 0, "{}", ())
    assert run.timeout is run.max_attempts is run.max_crashes is None
    assert (run.attempt, run.tries, run.crashes) == (0, 0, 0)


def test_a_delayed_run_is_scheduled(store, clock):
    run = add(store, delay=90.0)

    assert run.state is State.SCHEDULED
    assert run.scheduled_at == NOW + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("ahead", "state"), [(-5, State.QUEUED), (0, State.QUEUED), (5, State.SCHEDULED)]
)
def test_a_run_asked_for_at_a_time_is_scheduled_only_where_that_is_to_come(
    store, clock, ahead, state
):
    moment = NOW + timedelta(seconds=ahead)

    run = add(store, scheduled_at=moment)

    assert (run.state, run.scheduled_at, run.created_at) == (state, moment, NOW)


def test_runs_come_back_in_the_order_they_were_asked(store):
    runs = [asked(f"job.n{number}") for number in (3, 1, 2)]

    stored = store.insert(runs)

    assert [run.run_id for run in stored] == [run.run_id for run in runs]


def test_no_runs_are_no_work(store):
    assert store.insert([]) == []


def test_the_same_id_twice_is_the_same_run(store, worker):
    run = asked(params='{"a":1}')
    store.insert([run])
    claim(store, worker)

    (again,) = store.insert([run])

    assert again.state is State.RUNNING
    assert states(store) == {"running": 1}


def test_the_same_id_twice_in_one_call_is_one_run(store):
    run = asked()

    first, second = store.insert([run, run])

    assert first == second
    assert states(store) == {"queued": 1}


def test_the_same_number_in_other_words_is_the_same_run(store):
    run = asked(params='{"a":[1,{"b":2}]}')
    store.insert([run])

    store.insert([evolve(run, params='{"a":[1.0,{"b":2}]}')])

    assert states(store) == {"queued": 1}


def test_many_runs_with_much_each_are_stored(store):
    runs = [asked(params=json.dumps({"text": "x" * 250_000})) for _ in range(80)]

    assert len(store.insert(runs)) == 80
    assert states(store) == {"queued": 80}


@pytest.mark.parametrize(
    "other",
    [{"params": '{"a":2}'}, {"params": '{"a":true}'}, {"job_name": "reports.other"}],
    ids=str,
)
@pytest.mark.parametrize("together", [False, True])
def test_the_same_id_with_other_job_or_params_is_a_conflict(store, other, together):
    run = asked(params='{"a":1}')
    if not together:
        store.insert([run])

    with pytest.raises(Conflict, match=f"Run {run.run_id} exists with another job or other params"):
        store.insert([run, evolve(run, **other)])

    assert states(store) == ({} if together else {"queued": 1})


def test_a_conflict_stores_none_of_the_others(store):
    there = add(store)
    before = everything(store)

    with pytest.raises(Conflict):
        store.insert([asked(), evolve(there, params='{"other":1}'), asked()])

    assert everything(store) == before


def test_an_error_in_the_middle_stores_none(store):
    bad = evolve(asked(), params=None)  # the column is NOT NULL
    before = everything(store)

    with pytest.raises(Exception, match=r"NOT NULL|not-null|cannot be null"):
        store.insert([asked(), bad, asked()])

    assert everything(store) == before


def test_a_run_nobody_asked_for_is_unknown(store):
    missing = asked().run_id

    with pytest.raises(UnknownRun, match=f"No run {missing} in the store"):
        store.get(missing)


def test_a_run_can_be_inserted_as_already_claimed(store, worker):
    run = asked(max_crashes=1, delay=60.0)

    taken = store.insert_claimed(run, worker, offer(max_attempts=1, max_crashes=3))

    stored = store.get(run.run_id)
    assert (taken.run_id, taken.job_name, taken.attempt) == (run.run_id, JOB, 1)
    assert (stored.state, stored.attempt, stored.worker_id) == (State.RUNNING, 1, worker)
    assert (stored.provider.dist, stored.provider.version) == ("acme-reports", "1.0")
    assert stored.started_at is not None
    (live,) = everything(store)["jobreg_live"]
    assert (live["try_limit"], live["crash_limit"]) == (1, 1)


def test_a_run_that_exists_cannot_be_inserted_as_claimed(store, worker):
    run = add(store)

    with pytest.raises(Conflict):
        store.insert_claimed(run, worker, offer())

    assert store.get(run.run_id).state is State.QUEUED


def test_many_are_stored_as_one_is(store, clock):
    """Many take another way: here one run of each kind, alone and among a thousand."""
    kinds = [
        {},
        {"delay": 90.5},
        {"scheduled_at": datetime(2031, 1, 2, 3, 4, 5, 678901, UTC)},
        {"queue": "mail", "priority": -3},
        {"queue": "mail"},
        {"priority": 7, "timeout": 1.25, "max_attempts": 3, "max_crashes": 2},
        {"params": '{"a":"\\t\\\\N \U0001f600 \\n\\r"}', "tags": ("a\tb", "\\N", "größe")},
        {"unique_key": "of \\ march"},
    ]
    alone = [add(store, "alone.job", **kind) for kind in kinds]
    many = [asked("many.job", **kind) for kind in kinds]
    more = [asked("more.job") for _ in range(1000)]

    found = store.insert(more[:500] + many + more[500:])

    def plain(run):
        return evolve(run, run_id="", job_name="")

    among = [run for run in found if run.job_name == "many.job"]
    assert [plain(run) for run in among] == [plain(run) for run in alone]
    assert [run.run_id for run in found] == [run.run_id for run in more[:500] + many + more[500:]]
    rows = everything(store)["jobreg_live"]
    same = ("run_id", "job_name", "seq")
    ones, others = (
        [
            {key: row[key] for key in row if key not in same}
            for row in sorted(rows, key=lambda row: row["seq"])
            if row["job_name"] == name
        ]
        for name in ("alone.job", "many.job")
    )
    assert ones == others
    in_order = sorted((row for row in rows if row["job_name"] == "more.job"), key=itemgetter("seq"))
    assert [row["run_id"] for row in in_order] == [run.run_id for run in more]


def test_of_many_none_is_stored_where_one_cannot_be(store, monkeypatch):
    there = add(store)
    runs = [asked() for _ in range(300)]
    before = everything(store)

    with pytest.raises(Conflict):
        store.insert([*runs, evolve(there, job_name="other.job")])
    # As if another process had stored that id since it was looked for.
    monkeypatch.setattr(Inserting, "_read", lambda *_: None)
    with pytest.raises(StoreError):
        store.insert([*runs, there])

    assert everything(store) == before
