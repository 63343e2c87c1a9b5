"""A job gets another name in the store: everything of it, or nothing."""

from __future__ import annotations

import multiprocessing
import signal

import pytest
from store_hands import (
    JOB,
    add,
    add_worker,
    claim,
    die_at,
    everything,
    offer,
    outcome,
    row_of,
    settle,
)

from jobreg import BadInput, Conflict, UnknownJob
from jobreg.lifecycle import Ending, State
from jobreg.store import Store
from jobreg.store.renaming import Renamed

OLD = "acme.Render.run of \U0001f600 'long ago'"
NEW = "reports.draw"
NAMED = ("jobreg_runs", "jobreg_live", "jobreg_catalogue", "jobreg_owners", "jobreg_overrides")


def names(store: Store) -> set[str]:
    rows = everything(store)
    return {row["job_name"] for table in NAMED for row in rows[table]}


def done_with(store: Store, worker: str) -> None:
    """The run of the old name that is first is claimed and succeeds."""
    (taken,) = claim(store, worker, offer(OLD, most=1))
    assert settle(store, worker, outcome(taken, Ending.SUCCEEDED)) == []


def learn(store: Store, name: str, version: str = "1.0") -> None:
    with store.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO jobreg_catalogue (job_name, dist, version, summary, first_seen, last_seen)"
            f" VALUES ('{name}', 'acme', '{version}', 'of {name}', 1, 1)"
        )
        connection.exec_driver_sql(
            "INSERT INTO jobreg_owners (job_name, dist, pinned_by, pinned_at)"
            f" VALUES ('{name}', 'of-{name[0]}', 'worker', 1)"
        )
        connection.exec_driver_sql(
            "INSERT INTO jobreg_overrides (job_name, option_name, value, set_at)"
            f" VALUES ('{name}', 'priority', '{len(name)}', 1)"
        )


def test_history_unfinished_runs_pins_and_catalogue_go_together(store):
    worker = add_worker(store, names=[OLD])
    add(store, OLD)
    done_with(store, worker)
    add(store, OLD)
    waiting = add(store, OLD, delay=60.0)
    learn(store, "acme.old")
    other = add(store, JOB)

    done = store.names.rename(OLD, NEW)

    assert done == Renamed(runs=3, unfinished=2, catalogue=0, owners=0, overrides=0, pauses=0)
    assert store.names.rename("acme.old", NEW) == Renamed(
        runs=0, unfinished=0, catalogue=1, owners=1, overrides=1, pauses=0
    )
    assert names(store) == {NEW, JOB}
    assert store.get(waiting.run_id).job_name == NEW
    assert store.get(waiting.run_id).state is State.SCHEDULED
    assert store.get(other.run_id).job_name == JOB


def test_a_run_that_is_running_goes_on_and_is_settled(store):
    worker = add_worker(store, names=[OLD])
    add(store, OLD)
    (held,) = claim(store, worker, offer(OLD, most=1))

    store.names.rename(OLD, NEW)

    assert settle(store, worker, outcome(held, Ending.SUCCEEDED)) == []
    found = store.get(held.run_id)
    assert (found.job_name, found.state) == (NEW, State.SUCCEEDED)


def test_a_run_that_is_running_is_rescued_and_claimed_by_its_new_name(store, clock):
    worker = add_worker(store, names=[OLD])
    add(store, OLD)
    (held,) = claim(store, worker, offer(OLD, most=1))
    store.names.rename(OLD, NEW)
    clock.set(100)

    assert store.rescue(row_of(store, worker)) == 1
    clock.set(1000)
    store.stage_due()
    next_worker = add_worker(store, names=[NEW])
    (again,) = claim(store, next_worker, offer(NEW, most=1))
    assert (again.run_id, again.attempt) == (held.run_id, 2)


def test_of_two_that_are_kept_for_both_names_that_of_the_new_one_stays(store):
    learn(store, "old.job")
    learn(store, "old.job_")  # begins alike
    learn(store, NEW)

    done = store.names.rename("old.job", NEW)

    rows = everything(store)
    kept = {table: {row["job_name"] for row in rows[table]} for table in NAMED[2:]}
    assert done == Renamed(runs=0, unfinished=0, catalogue=1, owners=1, overrides=1, pauses=0)
    assert kept == {table: {NEW, "old.job_"} for table in NAMED[2:]}
    assert f"of {NEW}" in {row["summary"] for row in rows["jobreg_catalogue"]}
    assert "of-r" in {row["dist"] for row in rows["jobreg_owners"]}


def test_a_paused_job_stays_paused_by_its_new_name(store):
    add(store, "old.job")
    store.pause("job", "old.job")
    store.pause("job", "old.job_")
    store.pause("queue", "old.job")  # another thing of the same name

    done = store.names.rename("old.job", NEW)

    assert done == Renamed(runs=1, unfinished=1, catalogue=0, owners=0, overrides=0, pauses=1)
    assert {(each.kind, each.name) for each in store.pauses()} == {
        ("job", NEW), ("job", "old.job_"), ("queue", "old.job")
    }  # fmt: skip
    assert claim(store, add_worker(store, names=[NEW]), offer(NEW, most=1)) == []


def test_a_job_of_which_there_is_a_pause_only_is_renamed_and_the_new_names_own_pause_stays(
    store, clock
):
    store.pause("job", NEW)
    clock.set(5)
    store.pause("job", "old.job")
    store.pause("queue", "other")
    before = [each for each in store.pauses() if each.name != "old.job"]

    done = store.names.rename("old.job", NEW)

    assert done == Renamed(runs=0, unfinished=0, catalogue=0, owners=0, overrides=0, pauses=1)
    assert store.pauses() == before
    with pytest.raises(UnknownJob):
        store.names.rename("other", NEW)  # it is a queue


def test_versions_of_both_are_known_afterwards(store):
    learn(store, "old.job", "2.0")
    with store.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO jobreg_catalogue (job_name, dist, version, first_seen, last_seen)"
            f" VALUES ('{NEW}', 'acme', '1.0', 1, 1)"
        )

    store.names.rename("old.job", NEW)

    found = everything(store)["jobreg_catalogue"]
    assert sorted((row["job_name"], row["version"]) for row in found) == [
        (NEW, "1.0"),
        (NEW, "2.0"),
    ]


def test_a_unique_key_that_both_have_is_a_conflict_and_nothing_is_renamed(store):
    add(store, OLD, unique_key="march")
    add(store, NEW, unique_key="march")
    add(store, OLD, unique_key="april")
    before = everything(store)

    with pytest.raises(Conflict, match=r"the same unique keys: 'march'\. Let one of each end"):
        store.names.rename(OLD, NEW)

    assert everything(store) == before


def test_counting_changes_nothing(store):
    add(store, OLD)
    before = everything(store)

    assert store.names.count(OLD) == Renamed(
        runs=1, unfinished=1, catalogue=0, owners=0, overrides=0, pauses=0
    )
    assert everything(store) == before


def test_what_is_not_there_cannot_be_renamed(store):
    with pytest.raises(UnknownJob, match=r"Nothing in the store has the job name 'no\.job'"):
        store.names.rename("no.job", NEW)
    with pytest.raises(UnknownJob):
        store.names.count("x" * 10_000)
    for odd in ("\udcff", "\0", ""):
        with pytest.raises(UnknownJob):
            store.names.rename(odd, NEW)
    with pytest.raises(BadInput, match=r"is called 'reports\.draw' already"):
        store.names.rename(NEW, NEW)


def test_a_space_at_the_end_makes_another_name(store):
    add(store, "old.job")
    store.pause("job", "old.job")
    before = everything(store)

    for other in ("old.job ", " old.job"):
        with pytest.raises(UnknownJob):
            store.names.count(other)
        with pytest.raises(UnknownJob):
            store.names.rename(other, NEW)

    assert everything(store) == before


def _rename_and_die(store: Store, step: int) -> None:
    die_at(store, step)
    store.names.rename(OLD, NEW)


def test_killed_at_any_statement_all_is_renamed_or_nothing(store):
    context = multiprocessing.get_context("fork")
    add(store, OLD)
    worker = add_worker(store, names=[OLD])
    done_with(store, worker)
    add(store, OLD)

    for step in range(8, 60, 5):
        process = context.Process(target=_rename_and_die, args=(store, step))
        process.start()
        process.join(60)
        rows = everything(store)
        found = {row["job_name"] for table in NAMED[:2] for row in rows[table]}
        assert found in ({OLD}, {NEW}), step
        if process.exitcode == 0:
            assert found == {NEW}
            return
        assert process.exitcode == -signal.SIGKILL
        if found == {NEW}:
            return
    pytest.fail("it never came to its end")
