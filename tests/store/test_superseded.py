"""Every kind of write by an attempt that was superseded is refused: hundreds, on each database."""

from __future__ import annotations

import pytest
from store_hands import add_worker, asked, claim, everything, offer, outcome, row_of, settle

from jobreg.lifecycle import Ending, LogChunk, Progress, Reason
from jobreg.store import LogRow

RUNS = 40


@pytest.fixture
def overtaken(store, worker):
    """Claims of a worker that was declared dead, each held by another at a newer attempt."""
    store.insert([asked() for _ in range(RUNS)])
    old = claim(store, worker, offer(most=RUNS))
    store.rescue(row_of(store, worker))
    second = add_worker(store)
    newer = []
    while len(newer) < RUNS:  # suspects come one by one
        newer += claim(store, second, offer(most=RUNS))
    assert {each.attempt for each in newer} == {2}
    return worker, old


def provoked(store, worker, old):
    """What a zombie may try, each by its name, with how many of its writes were accepted."""

    def by_outcome(ending, **said):
        outcomes = [outcome(each, ending, **said) for each in old]
        return len(outcomes) - len(settle(store, worker, *outcomes))

    def notes():
        before = everything(store)
        store.note_progress(worker, [(each.run_id, each.attempt, Progress(9, 9)) for each in old])
        return int(everything(store) != before)

    def log():
        before = everything(store)
        chunk = (LogChunk(1_800_000_000_000_000, "stdout", "INFO", None, "late"),)
        store.write_logs(worker, [LogRow(each.run_id, each.attempt, 1, chunk) for each in old])
        return int(everything(store) != before)

    return {
        "settle": by_outcome(Ending.SUCCEEDED),
        "fail": by_outcome(Ending.ERROR),
        "crash": by_outcome(Ending.CRASHED),
        "snooze": by_outcome(Ending.SNOOZED, after=1.0),
        "cancelled": by_outcome(Ending.CANCELLED, reason=Reason.ASKED),
        "progress": notes(),
        "log": log(),
    }


def test_every_write_of_a_superseded_attempt_is_refused(store, overtaken):
    worker, old = overtaken
    before = everything(store)

    accepted = provoked(store, worker, old)

    assert len(old) * len(accepted) >= 200
    assert accepted == dict.fromkeys(accepted, 0)
    assert everything(store) == before


def test_a_release_of_a_superseded_attempt_changes_nothing(store, overtaken):
    worker, old = overtaken
    before = everything(store)

    # There is nothing left to give back: that counts as done.
    assert settle(store, worker, *(outcome(each, Ending.RELEASED) for each in old)) == []

    assert everything(store) == before
    assert store.claim(worker, store.due(), [offer()]) is None
    assert store.beat(worker, 30.0, "[]") is False
