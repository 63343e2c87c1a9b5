"""What a client waits for: that a run is over, its next log line; and why a run waits itself."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from . import clock
from .errors import WaitTimeout
from .legible import amount
from .lifecycle import LEVELS, LogLine, RunRecord, State

if TYPE_CHECKING:
    from .store import Pause, Store, WorkerRow

POLL = 0.02
"""Seconds between two looks at whether the store has changed."""


def until_over(store: Store, run_id: str, longest: float | None) -> RunRecord:
    """Wait until a run is over, for so many seconds at most.

    Raises:
        WaitTimeout: it was not over by then.
    """
    ends = None if longest is None else clock.seconds() + longest
    watch = store.watch()
    try:
        while True:
            record = store.get(run_id)
            if record.state.final:
                return record
            while True:
                if ends is not None and clock.seconds() >= ends:
                    assert longest is not None
                    raise not_over(record, longest)
                time.sleep(POLL)
                if watch.changed():
                    break
    finally:
        watch.close()


def log_lines(
    store: Store, run_id: str, attempt: int | None, level: int, follow: bool
) -> Iterator[LogLine | None]:
    """The lines of a run's log, of all attempts or one, and None each time there is none yet."""
    after = 0, 0
    watch = store.watch()
    try:
        while True:
            # Read before its lines: once it is over, no line comes that is not there yet.
            record = store.get(run_id)
            over = record.state.final or _is_over(record, attempt)
            while rows := store.logs(run_id, after, attempt=attempt):
                for row in rows:
                    after = row.attempt, row.number
                    # A level of the job's own is ranked by nobody here: it is shown.
                    yield from (
                        line for line in row.lines() if LEVELS.get(line.level, level) >= level
                    )
            if over or not follow:
                return
            while not watch.changed():
                yield None
    finally:
        watch.close()


def awake(steps: Iterator[LogLine | None]) -> Iterator[LogLine]:
    """The lines alone; where there is none yet, sleep."""
    for line in steps:
        if line is None:
            time.sleep(POLL)
        else:
            yield line


def not_over(record: RunRecord, longest: float) -> WaitTimeout:
    """The error for who waited for a run no longer than so many seconds."""
    return WaitTimeout(
        f"Run {record.run_id} was still {record.state} after {amount(longest)} s; "
        "it goes on. Wait longer, or cancel it."
    )


def _is_over(record: RunRecord, attempt: int | None) -> bool:
    """Is that attempt of an unfinished run over?"""
    if attempt is None or record.attempt < attempt:
        return False
    return record.attempt > attempt or record.state is not State.RUNNING


def waiting_on(store: Store, records: Sequence[RunRecord]) -> dict[str, str | None]:
    """For each run id, why it is not running though it waits; None where it is not so."""
    if any(record.state is State.QUEUED for record in records):
        return why_waiting(records, store.workers(), store.pauses())
    return why_waiting(records, (), ())


def why_waiting(
    records: Sequence[RunRecord], workers: Iterable[WorkerRow], pauses: Iterable[Pause]
) -> dict[str, str | None]:
    """The same, where workers and pauses are known."""
    live = [each for each in workers if each.live]
    paused = {(each.kind, each.name) for each in pauses}
    told: dict[str, str | None] = {record.run_id: None for record in records}
    for record in records:
        if record.state is State.SCHEDULED and record.scheduled_at is not None:
            told[record.run_id] = f"its due time, {record.scheduled_at.isoformat()}"
        elif record.state is State.QUEUED:
            told[record.run_id] = _paused(record, paused) or _lacks_worker(record, live)
    return told


def _paused(record: RunRecord, paused: Collection[tuple[str, str]]) -> str | None:
    for kind, name in (("queue", record.queue or ""), ("job", record.job_name)):
        if (kind, name) in paused:
            return f"somebody to resume {kind} {name!r}, which is paused"
    return None


def _lacks_worker(record: RunRecord, workers: Sequence[WorkerRow]) -> str | None:
    name, queue = record.job_name, record.queue or ""
    if any(worker.serves(queue, name) for worker in workers):
        return None
    if any(name in worker.names for worker in workers):
        return f"a worker that serves queue {queue!r} and provides {name!r}"
    if workers:
        return f"a worker that provides {name!r}; no live worker does"
    return f"a worker that provides {name!r}; no worker is running"
