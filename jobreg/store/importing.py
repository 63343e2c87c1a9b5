"""Runs of another system enter the store as they are: history as over, the rest as waiting."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Insert, Select, bindparam, insert, select

from ..lifecycle import RunRecord
from . import new_runs, records, statements
from .packets import packets
from .records import Row, to_stored_time
from .tables import runs
from .transacting import again

if TYPE_CHECKING:
    from .store import Store


@cache
def known_ids() -> Select[Any]:
    """Which of :run_ids are there."""
    return select(runs.c.run_id).where(runs.c.run_id.in_(bindparam("run_ids", expanding=True)))


@cache
def insert_past() -> Insert:
    """Store a run with its times and what came of it, as another system knew them."""
    told = (
        "run_id", "job_name", "params", "queue", "priority", "timeout", "max_attempts",
        "max_crashes", "tags", "retried_from", "unique_key", "state", "reason", "result",
        "error_type", "error_message", "error_traceback", "attempt", "tries", "crashes",
    )  # fmt: skip
    times = ("created_at", "scheduled_at", "finished_at")
    return (
        insert(runs)
        .inline()
        .values(
            **{name: bindparam(name) for name in told},
            **{name: bindparam(name, type_=BigInteger) for name in times},
        )
    )


class Importing:
    """The verbs of a store that take runs over from another system."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def known(self, run_ids: Sequence[str]) -> set[str]:
        """Which of these ids the store has runs of."""
        with self._store.reading() as connection:
            return set(connection.execute(known_ids(), {"run_ids": list(run_ids)}).scalars())

    @again
    def add(self, past: Sequence[RunRecord]) -> list[RunRecord]:
        """Store those of these runs whose ids are not there yet; return them.

        Each needs ``created_at``, and a final one ``finished_at``. What is not final waits from
        now on, whatever its ``attempt``. Some hundred at a time make a short transaction.
        """
        with self._store.writing() as connection:
            asked = {"run_ids": [run.run_id for run in past]}
            there = set(connection.execute(known_ids(), asked).scalars())
            fresh = [run for run in past if run.run_id not in there]
            for some in packets([_columns(run) for run in fresh]):
                connection.execute(insert_past(), some)
            waiting = [_waits(run) for run in fresh if not run.state.final]
            if waiting:
                connection.execute(statements.insert_live(False), waiting)
        return fresh


def _created(run: RunRecord) -> int:
    assert run.created_at is not None
    return to_stored_time(run.created_at)


def _waits(run: RunRecord) -> Row:
    """A live row: queued, and due since its time."""
    return new_runs.new_columns(run, _created(run))[1]


def _columns(run: RunRecord) -> Row:
    created, error = _created(run), run.error
    return {
        **new_runs.new_columns(run, created)[0],
        "state": run.state.value if run.state.final else None,
        "reason": None if run.reason is None else run.reason.value,
        "result": run.result,
        "error_type": error and error.type,
        "error_message": error and records.storable(error.message),
        "error_traceback": error and records.storable(error.traceback),
        "attempt": run.attempt,
        "tries": run.tries,
        "crashes": run.crashes,
        "created_at": created,
        "scheduled_at": created,
        "finished_at": None if run.finished_at is None else to_stored_time(run.finished_at),
    }
