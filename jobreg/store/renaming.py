"""A job gets another name in the store: history, unfinished runs, pins and pause, at once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import astuple, frozen
from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    FromClause,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    func,
    select,
    update,
)

from ..errors import BadInput, Conflict, UnknownJob
from ..request import told_key
from .columns import NAME
from .records import storable
from .tables import catalogue, live, overrides, owners, pauses, runs
from .transacting import again

if TYPE_CHECKING:
    from .store import Store

# What tells two rows of one job apart; of both names' rows with the same, the new name's stays.
_APART: dict[Table, tuple[str, ...]] = {
    catalogue: ("dist", "version"),
    owners: (),
    overrides: ("option_name",),
    pauses: ("kind",),
}


@frozen(kw_only=True)
class Renamed:
    """How many rows had the old name: of history, unfinished, and what was learned and set."""

    runs: int
    unfinished: int
    catalogue: int
    owners: int
    overrides: int
    pauses: int


def _name_in(table: FromClause) -> ColumnElement[str]:
    """The column that holds the name of a job."""
    return table.c["job_name" if "job_name" in table.c else "name"]


def _is_about(table: FromClause, parameter: str) -> ColumnElement[bool]:
    """Is a row about the job of this name? Queues are paused in one table with jobs."""
    name, asked = _name_in(table), bindparam(parameter, type_=NAME)
    # To MySQL 'a' is 'a ' too.
    of_that_name = and_(name == asked, func.length(name) == func.length(asked))
    return and_(table.c.kind == "job", of_that_name) if "kind" in table.c else of_that_name


@cache
def count_of(table: Table) -> Select[Any]:
    """How many rows of a table are about :of_job."""
    return select(func.count()).select_from(table).where(_is_about(table, "of_job"))


@cache
def shared_keys() -> Select[Any]:
    """The first unique keys that unfinished runs of both :of_job and :to_job have."""
    other = live.alias("other")
    return (
        select(live.c.unique_key)
        .join(other, other.c.unique_key == live.c.unique_key)
        .where(_is_about(live, "of_job"), _is_about(other, "to_job"))
        .order_by(live.c.unique_key)
        .limit(5)
    )


@cache
def drop_doubles(table: Table) -> Delete:
    """Delete what is kept for :of_job where the same is kept for :to_job."""
    other = table.alias("other")
    # In a derived table: MySQL reads no table that it deletes from.
    theirs = (
        select(*(other.c[name] for name in _APART[table]), _name_in(other))
        .where(_is_about(other, "to_job"))
        .subquery("theirs")
    )
    same = select(_name_in(theirs)).where(*(theirs.c[n] == table.c[n] for n in _APART[table]))
    return delete(table).where(_is_about(table, "of_job"), same.exists())


@cache
def rename_in(table: Table) -> Update:
    """Let every row of a table that is about :of_job be about :to_job."""
    return (
        update(table)
        .where(_is_about(table, "of_job"))
        .values({_name_in(table): bindparam("to_job")})
    )


class Renaming:
    """The verbs of a store that give a job another name."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def count(self, old: str) -> Renamed:
        """How many rows have this name."""
        with self._store.reading() as connection:
            return _counted(connection, old)

    @again
    def rename(self, old: str, new: str) -> Renamed:
        """Give all that has the name ``old``, which may be any text, the name ``new``.

        One transaction, however long it takes: everything has the new name, or nothing. What
        was learned, pinned and set for ``new`` itself stays.

        Raises:
            BadInput: both names are the same.
            UnknownJob: nothing in the store has the old name.
            Conflict: unfinished runs of both have one unique key.
        """
        if old == new:
            raise BadInput(f"The job is called {old[:200]!r} already. Give it a new name.")
        asked = {"of_job": old, "to_job": new}
        with self._store.writing() as connection:
            self._store.database.begin_alone(connection)
            found = _counted(connection, old)
            keys = list(connection.execute(shared_keys(), asked).scalars())
            if keys:
                told = ", ".join(dict.fromkeys(map(told_key, keys)))
                raise Conflict(
                    f"Unfinished runs of {old[:200]!r} and of {new!r} have the same unique keys: "
                    f"{told}. Let one of each end, or cancel it, then try again; nothing was "
                    "renamed."
                )
            for table in _APART:
                connection.execute(drop_doubles(table), asked)
            for table in (*_APART, live, runs):
                connection.execute(rename_in(table), asked)
        return found


def _counted(connection: Connection, old: str) -> Renamed:
    def number(table: Table) -> int:
        return int(connection.execute(count_of(table), {"of_job": old}).scalar_one())

    if storable(old) != old:
        raise _unknown(old)
    found = Renamed(
        runs=number(runs),
        unfinished=number(live),
        catalogue=number(catalogue),
        owners=number(owners),
        overrides=number(overrides),
        pauses=number(pauses),
    )
    if not any(astuple(found)):
        raise _unknown(old)
    return found


def _unknown(old: str) -> UnknownJob:
    return UnknownJob(
        f"Nothing in the store has the job name {old[:200]!r}. Names that have runs: "
        "jobreg runs list; that are known: jobreg jobs list"
    )
