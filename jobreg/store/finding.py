"""Pages of the runs that a selection means, newest first: the statement, and how it is asked.

Each page is read from one index, in its order, from where the page before ended. Which index:

- with a time range the one of the times of submit;
- for a state in which runs wait or run, that of due times: the newest is the last that became due;
- for a job or a final state, its own; else that of arrival.

What else is asked for is looked at run by run.
"""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

from attrs import frozen
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    func,
    or_,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

from ..errors import BadInput
from ..lifecycle import RunRecord, State
from ..selection import Selection
from . import records
from .reading_statements import whole_runs
from .records import Row, to_stored_time
from .tables import live, runs

_LAST = 2**62
# Where values must be read, so many runs are looked at for one page; then it may be a short one.
_MOST_READ = 10_000
_AT_ONCE = 500


@frozen
class Place:
    """Where a page ends: the time that its order goes by (0: by arrival alone), and the row."""

    order: str
    at: int
    seq: int

    def __str__(self) -> str:
        """As a cursor."""
        return f"{self.order[0]}{self.at}-{self.seq}" if self.order in _BY_TIME else str(self.seq)


class Downwards(FunctionElement[Any]):
    """The rows of one value, from a row downwards: its column, the value, ``seq``, the row.

    To PostgreSQL it is said as one comparison of both, so that no other index has that order: it
    took the one of arrival, and read all that had come since.
    """

    # A truth value; but told so, SQLAlchemy would compare it with 1 where there are none.
    type = NullType()
    inherit_cache = True


@compiles(Downwards, "postgresql")
def _as_pairs(element: Any, compiler: Any, **options: Any) -> str:
    column, value, seq, row = (compiler.process(each, **options) for each in element.clauses)
    return f"({column} >= {value} AND ({column}, {seq}) < ({value}, {row}))"


@compiles(Downwards, "sqlite")
def _as_rare(element: Any, compiler: Any, **options: Any) -> str:
    column, value, seq, row = (compiler.process(each, **options) for each in element.clauses)
    # Where ANALYZE saw few values, it would go by arrival too.
    return f"(likelihood({column} = {value}, 0.0001) AND {seq} < {row})"


@compiles(Downwards)
def _as_two(element: Any, compiler: Any, **options: Any) -> str:
    column, value, seq, row = (compiler.process(each, **options) for each in element.clauses)
    return f"({column} = {value} AND {seq} < {row})"


class Leading(FunctionElement[Any]):
    """The column of :class:`Downwards` in the order of rows: one value, which PostgreSQL is to
    think may be several; MySQL would sort for it.
    """

    inherit_cache = True


@compiles(Leading)
def _as_column(element: Any, compiler: Any, **options: Any) -> str:
    return f"{compiler.process(*element.clauses, **options)} DESC"


@compiles(Leading, "mysql")
def _as_nothing(element: Any, compiler: Any, **options: Any) -> str:
    return "NULL"


_BY_TIME = {"time": runs.c.created_at, "due": live.c.due_at}
_BY_VALUE = {"name": runs.c.job_name, "state": runs.c.state}
_INDEX = {
    "time": (runs, "jobreg_runs_by_time"),
    "due": (live, "jobreg_live_due"),
    "name": (runs, "jobreg_runs_by_job"),
    "state": (runs, "jobreg_runs_by_state"),
}


@cache
def page_of_runs(order: str, also: tuple[str, ...]) -> Select[Any]:
    """A page of :most runs in one order, after the row :before; of those that are ``also`` so.

    :at is the time of that row, in the orders by time.
    """
    before = bindparam("before", type_=BigInteger)
    table, index = _INDEX.get(order, (runs, ""))
    page = whole_runs()
    if order in _BY_TIME:
        at, by = bindparam("at", type_=BigInteger), _BY_TIME[order]
        page = page.where(by <= at, or_(by < at, table.c.seq < before))
        page = page.order_by(by.desc(), table.c.seq.desc())
    elif order in _BY_VALUE:
        by = _BY_VALUE[order]
        value = bindparam("job_name" if order == "name" else "state", type_=by.type)
        page = page.where(Downwards(by, value, runs.c.seq, before))
        page = page.order_by(Leading(by), runs.c.seq.desc())
    else:
        page = page.where(runs.c.seq < before).order_by(runs.c.seq.desc())
    if index:
        page = page.with_hint(table, f"FORCE INDEX ({index})", "mysql")
    for name in also:
        page = page.where(_condition(order, name))
    return page.limit(bindparam("most"))


def _condition(order: str, name: str) -> ColumnElement[bool]:
    """What a run must be, beside what the order says."""
    unfinished = order == "due"
    if name == "tag":
        # Whether it really is one of them is seen when the run is read.
        return func.replace(runs.c.tags, bindparam("tag"), "") != runs.c.tags
    if name in ("since", "until"):
        bound = bindparam(name, type_=BigInteger)
        return runs.c.created_at >= bound if name == "since" else runs.c.created_at < bound
    if name == "live_state":
        return live.c.state == bindparam(name)
    if name == "held":  # by the index of those; that of due times holds what waits
        return live.c.worker_id.is_not(None)
    if name in ("reason", "unique_key") or (name in ("state", "job_name") and not unfinished):
        return runs.c[name] == bindparam(name)
    both = live.c[name] if unfinished else func.coalesce(live.c[name], runs.c[name])
    return both == bindparam(name)


def order_of(wanted: Selection) -> str:
    """By what a selection's pages are ordered."""
    if wanted.since is not None or wanted.until is not None:
        return "time"
    if wanted.state is not None and not wanted.state.final:
        return "due"
    if wanted.job_name is not None:
        return "name"
    return "seq" if wanted.state is None else "state"


def place_of(cursor: str | None, wanted: Selection) -> Place:
    """Where the page begins that a cursor stands for.

    Raises:
        BadInput: it is not one that a page of this selection gave.
    """
    order = order_of(wanted)
    if cursor is None:
        return Place(order, _LAST, _LAST)
    letter = order[0] if order in _BY_TIME else ""
    parts = re.fullmatch(letter + r"(?:([0-9]{1,18})-)?([0-9]{1,18})", cursor)
    if parts is None or bool(parts[1]) != bool(letter):
        raise BadInput(
            f"cursor: {cursor[:80]!r} is not one that a page of these filters gave as its next."
        )
    return Place(order, int(parts[1] or 0), int(parts[2]))


def page(
    connection: Connection, wanted: Selection, place: Place, most: int
) -> tuple[list[RunRecord], Place | None]:
    """Up to ``most`` runs from a place downwards, and the place after them; None: no more."""
    found: list[RunRecord] = []
    read, at_once = 0, _AT_ONCE if wanted.reads_values else most + 1
    while True:
        rows = list(islice(_rows(connection, wanted, place, at_once), at_once))
        for number, row in enumerate(rows):
            run = records.run_of(row)
            if wanted.takes(run):
                found.append(run)
            place = _place(place.order, row)
            if len(found) == most:
                more = number + 1 < len(rows) or len(rows) == at_once
                return found, place if more else None
        read += len(rows)
        if len(rows) < at_once:
            return found, None
        if read >= _MOST_READ:
            return found, place


def _rows(connection: Connection, wanted: Selection, place: Place, most: int) -> Iterator[Row]:
    """Rows of all names that are meant, newest first."""
    asked = _asked(wanted) | {"before": place.seq, "at": place.at, "most": most}
    in_order = {"name": "job_name", "state": "state"}.get(place.order, "")
    also = tuple(name for name in _asked(wanted) if name != in_order)
    statement = page_of_runs(place.order, also)
    pages = [
        connection.execute(statement, asked | ({} if name is None else {"job_name": name}))
        .mappings()
        .all()
        for name in wanted.names
    ]
    if len(pages) == 1:
        return iter(pages[0])

    def newest_first(row: Row) -> tuple[int, int]:
        last = _place(place.order, row)
        return -last.at, -last.seq

    return heapq.merge(*pages, key=newest_first)


def _place(order: str, row: Row) -> Place:
    if order == "time":
        return Place(order, row["created_at"], row["seq"])
    return (
        Place(order, row["due_at"], row["live_seq"])
        if order == "due"
        else Place(order, 0, row["seq"])
    )


def _asked(wanted: Selection) -> dict[str, Any]:
    """What is asked of the database, by the name of the parameter."""
    asked: dict[str, Any] = {
        "job_name": wanted.job_name,
        ("state" if wanted.state and wanted.state.final else "live_state"): wanted.state,
        "held": True if wanted.state is State.RUNNING else None,
        "reason": wanted.reason,
        "queue": wanted.queue,
        "dist": wanted.dist,
        "version": wanted.version,
        "unique_key": wanted.unique_key,
        "tag": json.dumps(wanted.tags[0], ensure_ascii=False) if wanted.tags else None,
        "since": wanted.since and to_stored_time(wanted.since),
        "until": wanted.until and to_stored_time(wanted.until),
    }
    return {name: value for name, value in asked.items() if value is not None}
