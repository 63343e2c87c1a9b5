"""What a new run enters the store as: its two rows, and the record of it as it then stands.

Runs that are submitted one after the other mostly differ in little; what they share is made once.
"""

from __future__ import annotations

import json
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from ..lifecycle import RunRecord, State
from ..options import DEFAULT_PRIORITY, DEFAULT_QUEUE
from .records import from_stored_time, micros, to_stored_time

ASKED = (
    "run_id", "job_name", "params", "queue", "priority", "timeout", "max_attempts",
    "max_crashes", "max_age", "tags", "retried_from", "unique_key", "created_at", "scheduled_at",
    "attempt", "tries", "crashes",
)  # fmt: skip
"""The columns of ``jobreg_runs`` that a new run fills."""
WAITING = (
    "run_id", "job_name", "state", "queue", "priority", "queue_by_default", "priority_by_default",
    "due_at", "attempt", "tries", "crashes", "max_attempts", "max_crashes", "unique_key",
    "cancel_requested",
)  # fmt: skip
"""The columns of ``jobreg_live`` that a new run fills."""
CLAIMED = ("worker_id", "try_limit", "crash_limit", "dist", "version", "started_at")
"""Those that it fills as well where it is stored as already claimed."""


class Kind(NamedTuple):
    """What new runs have in common that differ in id, job and parameters alone.

    ``asked`` and ``waits`` are their two rows after those, in the order of :data:`ASKED` and
    :data:`WAITING`; ``shared`` is the same of their records, as far as these are not at rest.
    """

    asked: tuple[Any, ...]
    waits: tuple[Any, ...]
    shared: tuple[Any, ...]

    def rows(self, run: RunRecord) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The two rows of one of them."""
        run_id, job_name = run.run_id, run.job_name
        return (run_id, job_name, run.params, *self.asked), (run_id, job_name, *self.waits)

    def stored(self, run: RunRecord) -> RunRecord:
        """One of them as the store holds it: read back it would be the same."""
        return RunRecord(run.run_id, run.job_name, run.params, *self.shared)


class Kinds:
    """The kinds of runs that are asked for at one moment: few, which makes many quick to store."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._found: dict[Any, Kind] = {}

    def of(self, run: RunRecord) -> Kind:
        """The kind of one of them."""
        key = _kind_key(run)
        kind = self._found.get(key)
        if kind is None:
            kind = self._found[key] = kind_of(run, self._now)
        return kind


_LASTING = (
    "queue", "priority", "timeout", "max_attempts", "max_crashes", "max_age", "tags",
    "retried_from", "unique_key",
)  # fmt: skip
_lasting_key = attrgetter(*_LASTING)
_kind_key = attrgetter(*_LASTING, "scheduled_at", "delay")
_NAMES = {state: state.value for state in State}


class Lasting(NamedTuple):
    """What a kind of new runs holds whenever it is asked for: its rows and records around times.

    ``by_default`` says of queue and priority whether the submitter said nothing (1) or did (0).
    """

    asked: tuple[Any, ...]
    by_default: tuple[int, int]
    waits: tuple[Any, ...]
    waits_then: tuple[Any, ...]
    shared: tuple[Any, ...]
    shared_then: tuple[Any, ...]


def lasting_of(run: RunRecord) -> Lasting:
    """What a new run has in common with others at any time."""
    return _lasting(*_lasting_key(run))


@lru_cache(256)
def _lasting(
    queue: str | None,
    priority: int | None,
    timeout: float | None,
    tries: int | None,
    crashes: int | None,
    age: float | None,
    tags: tuple[str, ...],
    retried_from: str | None,
    key: str | None,
) -> Lasting:
    by_default = int(queue is None), int(priority is None)
    first = (
        DEFAULT_QUEUE if queue is None else queue,
        DEFAULT_PRIORITY if priority is None else priority,
    )
    limits = timeout, tries, crashes, age
    tags_text = json.dumps(list(tags), ensure_ascii=False) if tags else "[]"
    return Lasting(
        asked=(*first, *limits, tags_text, retried_from, key),
        by_default=by_default,
        waits=(*first, *by_default),
        waits_then=(0, 0, 0, tries, crashes, key, 0),
        # In the order of the fields of RunRecord: by name it would take twice as long for each.
        shared=(*first, *limits, tags, 0.0),
        shared_then=(retried_from, key, "return"),
    )


def kind_of(run: RunRecord, now: int) -> Kind:
    """The kind of a new run that is asked for at ``now``."""
    asked, _, waits, waits_then, shared, shared_then = lasting_of(run)
    created = from_stored_time(now)
    due, scheduled, state = now, created, State.QUEUED
    if run.delay or run.scheduled_at is not None:
        at = run.scheduled_at
        due = now + micros(run.delay) if at is None else to_stored_time(at)
        scheduled = from_stored_time(due)
        state = State.SCHEDULED if due > now else State.QUEUED
    return Kind(
        (*asked, now, due, 0, 0, 0),
        (_NAMES[state], *waits, due, *waits_then),
        (*shared, scheduled, *shared_then, state, None, None, None, 0, 0, 0, created),
    )


def new_columns(run: RunRecord, now: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two rows of a new run, by the names of their columns."""
    asked, waits = kind_of(run, now).rows(run)
    return dict(zip(ASKED, asked, strict=True)), dict(zip(WAITING, waits, strict=True))
