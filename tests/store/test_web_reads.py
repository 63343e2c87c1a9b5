"""What the web interface asks for: tokens, logs of several runs, and what was settled lately."""

from __future__ import annotations

import pytest
from store_hands import JOB, Clock, add, add_worker, claim_one, finish, offer, outcome, settle

from jobreg import StoreError, clock as process_clock
from jobreg.catalogue import Entry
from jobreg.lifecycle import Ending, LogChunk, Provider, State
from jobreg.store import LogRow, Store

OTHER = "reports.profile"


def said(run_id: str, attempt: int, number: int) -> LogRow:
    chunk = LogChunk(1_800_000_000_000_000, "stdout", "INFO", None, f"{attempt}.{number}")
    return LogRow(run_id, attempt, number, (chunk,))


def test_tokens_are_kept_listed_oldest_first_and_dropped_once(store: Store, clock: Clock) -> None:
    for seconds, (digest, role) in enumerate([("b" * 64, "read"), ("a" * 64, "operate")]):
        clock.set(seconds)
        store.tokens.keep(digest, role)

    kept = store.tokens.all()

    assert [(each.digest, each.role) for each in kept] == [
        ("b" * 64, "read"),
        ("a" * 64, "operate"),
    ]
    assert [each.created_at.second for each in kept if each.created_at] == [0, 1]
    assert store.tokens.revoke("a" * 64) is True
    assert store.tokens.revoke("a" * 64) is False
    assert [each.role for each in store.tokens.all()] == ["read"]


def test_a_token_is_not_kept_twice(store: Store) -> None:
    store.tokens.keep("a" * 64, "read")

    with pytest.raises(StoreError):
        store.tokens.keep("a" * 64, "operate")

    assert [each.role for each in store.tokens.all()] == ["read"]


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_logs_of_several_are_read_each_after_its_own_place(store: Store, number: int) -> None:
    worker = add_worker(store)
    runs = sorted(add(store).run_id for _ in range(number))
    for _ in runs:
        claim_one(store, worker)
    store.write_logs(worker, [said(run, 1, row) for run in runs for row in (1, 2, 3)])

    found = store.logs_of_several({run: (1, place % 4) for place, run in enumerate(runs)})

    assert [(row.run_id, row.number) for row in found] == [
        (run, row) for place, run in enumerate(runs) for row in (1, 2, 3) if row > place % 4
    ]


def test_logs_of_several_go_on_in_later_attempts_and_are_cut(store: Store) -> None:
    worker, run = add_worker(store), add(store, max_attempts=2)
    first = claim_one(store, worker, max_attempts=2)
    store.write_logs(worker, [said(run.run_id, 1, row) for row in (1, 2)])
    settle(store, worker, outcome(first, Ending.RELEASED))
    second = claim_one(store, worker)
    store.write_logs(worker, [said(run.run_id, second.attempt, 1)])

    found = store.logs_of_several({run.run_id: (1, 1)})

    assert [(row.attempt, row.number) for row in found] == [(1, 2), (second.attempt, 1)]
    assert store.logs_of_several({run.run_id: (second.attempt, 1)}) == []
    assert len(store.logs_of_several({run.run_id: (0, 0)}, most=2)) == 2
    assert store.logs_of_several({}) == []


def test_activity_is_told_by_slices_of_time_the_oldest_first(store: Store, clock: Clock) -> None:
    worker = add_worker(store, names=(JOB, OTHER))
    for due, begun, ended, ending in (
        (0, 2, 10, Ending.SUCCEEDED), (0, 4, 14, Ending.ERROR), (100, 101, 104, Ending.SUCCEEDED),
    ):  # fmt: skip
        clock.set(due)
        add(store)
        clock.set(begun)
        taken = claim_one(store, worker)
        clock.set(ended)
        now = process_clock.seconds()
        times = {"started": now - (ended - begun), "ended": now}
        settle(store, worker, outcome(taken, ending, **times))
    clock.set(119)

    told = store.activity(120, 2)

    old, young = told.slices
    assert told.seconds == 60
    assert old.ended == {State.SUCCEEDED: 1, State.FAILED: 1}
    assert young.ended == {State.SUCCEEDED: 1}
    assert (young.wait, young.took) == (pytest.approx(1, abs=0.5), pytest.approx(3, abs=0.5))
    assert (old.wait, old.took) == (pytest.approx(3, abs=0.5), pytest.approx(9, abs=0.5))
    assert told.failures == ((JOB, 1, pytest.approx(105, abs=0.5)),)
    assert type(young.ended[State.SUCCEEDED]) is int
    assert store.activity(60, 1).slices[0] == young


def test_what_never_began_is_counted_and_has_no_times(store: Store, clock: Clock) -> None:
    store.cancel(add(store).run_id)
    clock.set(1)

    (only,) = store.activity(60, 1).slices

    assert only.ended == {State.CANCELLED: 1}
    assert (only.wait, only.took) == (None, None)


def test_the_jobs_that_failed_most_come_first(store: Store, clock: Clock) -> None:
    worker = add_worker(store, names=(JOB, OTHER))
    for name, times in ((JOB, 1), (OTHER, 2)):
        for _ in range(times):
            add(store, name)
            (taken,) = store.claim(worker, store.due(), (offer(name, most=1),), ()) or []
            settle(store, worker, outcome(taken, Ending.ERROR))
    fine = add(store)
    finish(store, worker)
    clock.set(30)

    told = store.activity(60, 60)

    assert [(name, number) for name, number, _ in told.failures] == [(OTHER, 2), (JOB, 1)]
    assert store.get(fine.run_id).state is State.SUCCEEDED


def test_of_each_job_the_provider_that_was_seen_last_is_told(store: Store, clock: Clock) -> None:
    for seconds, version in enumerate(("2.0", "1.0")):
        clock.set(seconds)
        store.catalogue.learn([Entry(job_name=JOB, provider=Provider("acme", version))], "sync")
    store.catalogue.learn([Entry(job_name=OTHER, provider=Provider("other", "3"))], "sync")

    assert store.catalogue.providers() == {JOB: "acme 1.0", OTHER: "other 3"}
