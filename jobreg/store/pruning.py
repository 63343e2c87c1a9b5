"""Old finished runs leave the store, with their attempts and logs; a batch is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Delete, Select, and_, bindparam, delete, func, select

from .records import micros
from .statements import Now
from .tables import attempts, logs, runs
from .transacting import again

if TYPE_CHECKING:
    from .store import Store

BATCH = 500
"""Runs in one transaction: few enough that nobody waits for it."""


def _old(now: Now) -> ColumnElement[bool]:
    """Finished in :state for longer than :age microseconds.

    The time of submit comes first: it has an index, and nothing ends before it was submitted.
    """
    before = now - bindparam("age", type_=runs.c.created_at.type)
    return and_(
        runs.c.created_at < before,
        runs.c.state == bindparam("state"),
        runs.c.finished_at < before,
    )


@cache
def old_runs(now: Now) -> Select[Any]:
    """The :most runs that have been finished in :state for longest, over :age, locked."""
    return (
        select(runs.c.run_id)
        .where(_old(now))
        .order_by(runs.c.created_at, runs.c.seq)
        .limit(bindparam("most"))
        .with_hint(runs, "FORCE INDEX (jobreg_runs_by_time)", "mysql")
        .with_for_update(skip_locked=True)
    )


@cache
def count_old(now: Now) -> Select[Any]:
    """How many runs have been finished in :state for over :age."""
    return select(func.count()).select_from(runs).where(_old(now))


@cache
def drop_attempts() -> Delete:
    """Delete the attempts of :run_ids."""
    return delete(attempts).where(attempts.c.run_id.in_(bindparam("run_ids", expanding=True)))


@cache
def drop_logs() -> Delete:
    """Delete what :run_ids printed and logged."""
    return delete(logs).where(logs.c.run_id.in_(bindparam("run_ids", expanding=True)))


@cache
def drop_runs() -> Delete:
    """Delete the runs :run_ids; never one that is not over."""
    return delete(runs).where(
        runs.c.run_id.in_(bindparam("run_ids", expanding=True)), runs.c.state.is_not(None)
    )


class Pruning:
    """The verbs of a store that thin out its history."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def count(self, state: str, age: float) -> int:
        """How many runs have been in this final state for longer than ``age`` seconds."""
        asked = {"state": state, "age": micros(age)}
        with self._store.reading() as connection:
            return int(connection.execute(count_old(self._store.now), asked).scalar_one())

    @again
    def prune(self, state: str, age: float, most: int = BATCH) -> int:
        """Delete up to ``most`` of those runs, the oldest first; how many it was.

        A run that somebody queues again at the same moment is not touched.
        """
        asked = {"state": state, "age": micros(age), "most": most}
        with self._store.writing() as connection:
            run_ids: Sequence[str] = list(
                connection.execute(old_runs(self._store.now), asked).scalars()
            )
            if run_ids:
                for statement in (drop_attempts(), drop_logs(), drop_runs()):
                    connection.execute(statement, {"run_ids": run_ids})
        return len(run_ids)
