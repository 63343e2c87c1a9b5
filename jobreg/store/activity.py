"""What was settled lately, slice of time by slice of time, and which jobs fail."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from attrs import frozen
from sqlalchemy import (
    BigInteger,
    Connection,
    Select,
    Subquery,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
    union_all,
)

from ..lifecycle import State
from .records import micros
from .statements import Now, in_micros
from .tables import runs

MOST = 10_000
"""Runs of each final state that are looked at, the youngest: history may be long."""
_JOBS = 10


def _young(now: Now, state: State) -> Subquery:
    """The :most youngest runs of a final state, from the index by state, each with its age."""
    return (
        select(
            runs.c.job_name,
            (runs.c.started_at - runs.c.scheduled_at).label("waited"),
            (runs.c.finished_at - runs.c.started_at).label("took"),
            (now - runs.c.finished_at).label("age"),
        )
        .where(runs.c.state == literal_column(f"'{state}'"))
        .order_by(runs.c.seq.desc())
        .limit(bindparam("most"))
        .subquery(state.value)
    )


def _in_slices(young: Subquery) -> Subquery:
    """Those of the last :window microseconds, in slices of :slice, 0 the newest."""
    number = cast(young.c.age // in_micros("slice"), BigInteger).label("slice")
    lately = select(young.c.waited, young.c.took, number).where(young.c.age < in_micros("window"))
    return lately.subquery(f"{young.name}_lately")


@cache
def settled_by_slice(now: Now) -> Select[Any]:
    """By final state and slice of :slice microseconds, 0 the newest: how many ended, after what.

    ``waited`` is from due to begun, ``took`` from begun to ended, summed over those that began.
    """
    parts = []
    for state in (State.SUCCEEDED, State.FAILED, State.CANCELLED):
        lately = _in_slices(_young(now, state))
        parts.append(
            select(
                literal(state.value).label("state"),
                lately.c.slice,
                func.count().label("number"),
                func.count(lately.c.took).label("begun"),
                func.sum(lately.c.waited).label("waited"),
                func.sum(lately.c.took).label("took"),
            ).group_by(lately.c.slice)
        )
    return select(literal_column("*")).select_from(union_all(*parts).subquery())


@cache
def failed_by_job(now: Now) -> Select[Any]:
    """The :jobs jobs of which most runs failed in the last :window, and how long ago the last."""
    young = _young(now, State.FAILED)
    number = func.count().label("number")
    return (
        select(young.c.job_name, number, func.min(young.c.age).label("age"))
        .where(young.c.age < in_micros("window"))
        .group_by(young.c.job_name)
        .order_by(number.desc(), young.c.job_name)
        .limit(bindparam("jobs"))
    )


@frozen
class Slice:
    """What ended in one slice of time: how many by final state, mean wait and mean time taken.

    In seconds; None where nothing began. The wait is from due to begun of the last attempt.
    """

    ended: dict[State, int]
    wait: float | None
    took: float | None


@frozen
class Activity:
    """Slices of ``seconds`` each, the oldest first, and the jobs that failed most lately."""

    seconds: float
    slices: tuple[Slice, ...]
    failures: tuple[tuple[str, int, float], ...]
    """Job name, how many of its runs failed, and how many seconds ago the last did."""


def read(connection: Connection, now: Now, window: float, slices: int) -> Activity:
    """What ended in the last ``window`` seconds, in so many slices, and the jobs that failed."""
    every = window / slices
    asked = {"window": micros(window), "slice": micros(every), "most": MOST}
    failed = {"window": micros(window), "most": MOST, "jobs": _JOBS}
    rows = connection.execute(settled_by_slice(now), asked).mappings().all()
    failures = connection.execute(failed_by_job(now), failed).all()
    return Activity(
        every,
        tuple(
            _slice([row for row in rows if row["slice"] == at]) for at in reversed(range(slices))
        ),
        tuple((name, number, age / 1e6) for name, number, age in failures),
    )


def _slice(rows: Sequence[Any]) -> Slice:
    begun = sum(row["begun"] for row in rows)

    def mean(name: str) -> float | None:
        # Sums are decimal numbers to some drivers.
        return sum(float(row[name] or 0) for row in rows) / begun / 1e6 if begun else None

    ended = {State(row["state"]): int(row["number"]) for row in rows}
    return Slice(ended, mean("waited"), mean("took"))
