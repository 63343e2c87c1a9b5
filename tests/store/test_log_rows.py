"""The logs of runs: rows under the fence, read in order, never twice."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from store_hands import add, add_worker, claim_one, everything, outcome, settle

from jobreg.lifecycle import Ending, LogChunk
from jobreg.store import LogRow

AT = 1_800_000_000_000_000


def row(taken, number=1, *texts, **said):
    chunks = tuple(LogChunk(AT, "stdout", "INFO", None, each) for each in texts or ("said",))
    return LogRow(taken.run_id, said.get("attempt", taken.attempt), number, chunks)


def lines(store, run_id, **asked):
    return [line.text for each in store.logs(run_id, **asked) for line in each.lines()]


@pytest.fixture
def taken(store, worker):
    """A claim of that worker."""
    add(store)
    return claim_one(store, worker)


def test_what_is_written_is_read_in_order(store, worker, taken):
    store.write_logs(worker, [row(taken, 2, "three"), row(taken, 1, "one", "two\n")])

    (first, second) = store.logs(taken.run_id)

    assert [each.text for each in first.lines()] == ["one", "two", ""]
    assert second == row(taken, 2, "three")
    (line,) = second.lines()
    assert (line.at.year, line.attempt, line.stream, line.level) == (2027, 1, "stdout", "INFO")
    assert line.logger is None


def test_a_page_begins_after_the_last_one(store, worker, taken):
    store.write_logs(worker, [row(taken, number, str(number)) for number in range(1, 8)])

    first = lines(store, taken.run_id, most=3)
    second = lines(store, taken.run_id, after=(1, 3), most=3)

    assert (first, second) == (["1", "2", "3"], ["4", "5", "6"])


def test_text_of_any_kind_comes_back(store, worker, taken):
    hostile = "nul \x00 esc \x1b[31m \u202e quote ' \" \\ 日本 \U0001f600"
    store.write_logs(worker, [row(taken, 1, hostile)])

    assert lines(store, taken.run_id) == [hostile]


def test_only_who_holds_the_attempt_writes(store, worker, taken):
    other = add_worker(store)

    store.write_logs(other, [row(taken)])
    store.write_logs(worker, [row(taken, attempt=2)])
    settle(store, worker, outcome(taken))
    store.write_logs(worker, [row(taken, 2)])

    assert lines(store, taken.run_id) == []


def test_a_row_written_twice_is_there_once(store, worker, taken):
    store.write_logs(worker, [row(taken)])
    store.write_logs(worker, [row(taken), row(taken, 2, "more")])

    assert lines(store, taken.run_id) == ["said", "more"]


def test_attempts_are_kept_apart_and_in_order(store, worker, taken):
    store.write_logs(worker, [row(taken, 1, "first try"), row(taken, 2, "failed")])
    settle(store, worker, outcome(taken, Ending.RELEASED))
    again = claim_one(store, worker)
    store.write_logs(worker, [row(again, 1, "second try")])

    assert lines(store, taken.run_id) == ["first try", "failed", "second try"]
    assert lines(store, taken.run_id, attempt=1) == ["first try", "failed"]
    assert lines(store, taken.run_id, attempt=2) == ["second try"]
    assert lines(store, taken.run_id, attempt=2, after=(1, 2)) == ["second try"]
    assert lines(store, taken.run_id, attempt=3) == []


def test_the_time_of_writing_is_the_databases(store, worker, taken, clock):
    clock.set(5)

    store.write_logs(worker, [row(taken)])

    assert everything(store)["jobreg_logs"][0]["at"] == AT + 5_000_000


def test_reading_a_log_uses_its_key(sqlite_store):
    with sqlite_store.reading() as connection:
        plan = connection.execute(
            text(
                "EXPLAIN QUERY PLAN SELECT * FROM jobreg_logs WHERE run_id = 'x' AND "
                "(attempt = 1 AND number > 0 OR attempt > 1) ORDER BY attempt, number"
            )
        ).all()

    assert "USING INDEX" in str(plan)
    assert "TEMP B-TREE" not in str(plan)


def test_the_last_rows_are_read_from_the_end_and_told_in_order(store, worker, taken):
    store.write_logs(worker, [row(taken, number, str(number)) for number in range(1, 8)])

    last = store.logs_before(taken.run_id, most=3)
    before = store.logs_before(taken.run_id, (taken.attempt, 4), most=2)

    assert [each.number for each in last] == [5, 6, 7]
    assert [each.number for each in before] == [3, 4]
