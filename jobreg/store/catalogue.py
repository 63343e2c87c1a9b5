"""What the store knows of jobs: their catalogue, their owners, what operators set for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakSet

from sqlalchemy import Connection, Insert, Update

from ..catalogue import Entry, Known, Owner
from ..errors import StoreError, StoreUnavailable
from . import job_statements
from .database import ANSWER_WITHIN
from .known import Remembered, known_of
from .records import Row, entry_of, from_stored_time, storable
from .transacting import again

if TYPE_CHECKING:
    from .store import Store

T = TypeVar("T")

Key = tuple[str, str, str]
"""A job, and the distribution and version that ship it."""


class Reader(Protocol):
    """Remembers for a while what it has read of jobs."""

    def forget_jobs(self) -> None:
        """Forget it: something of them was written."""


class StoredCatalogue:
    """The verbs about jobs, one transaction each. Get one as ``store.catalogue``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._remembered = Remembered()
        self.readers: WeakSet[Reader] = WeakSet()
        """Who is to be told when this process has written something."""

    def learn(self, entries: Sequence[Entry], pinned_by: str) -> dict[str, Owner]:
        """Keep what was said of jobs, and return whom each of these names belongs to.

        A name that belongs to nobody yet is given to the distribution of its entry; what the
        application registered itself (it is in no distribution) belongs to nobody.
        """

        latest = {_key(entry): entry for entry in entries}
        # In one order, whoever writes: of those who learn the same at once none waits for one
        # that waits for it.
        keys = sorted(latest)
        names = sorted({entry.job_name for entry in entries})
        first: dict[str, str] = {}
        for entry in entries:
            if entry.pinnable:
                first.setdefault(entry.job_name, entry.provider.dist)

        def write(connection: Connection) -> dict[str, Owner]:
            there = self._versions(connection, names)
            again = [_columns(latest[key]) for key in keys if key in there]
            anew = [_columns(latest[key]) for key in keys if key not in there]
            _each(connection, job_statements.note_again(self._store.now), again)
            _each(connection, job_statements.note_first(self._store.now), anew)
            owners = self._owners(connection, names)
            unowned = [name for name in names if name in first and name not in owners]
            pins = [_pin(name, first[name], pinned_by) for name in unowned]
            _each(connection, job_statements.pin(self._store.now), pins)
            return owners | self._owners(connection, unowned)

        return self._again(write)

    def learn_each(
        self, entries: Sequence[Entry], pinned_by: str
    ) -> tuple[dict[str, Owner], list[tuple[Entry, StoreError]]]:
        """Do as :meth:`learn`, but let an entry that the database refuses cost itself only.

        Returns whom the names belong to, and what was refused, each with the reason.

        Raises:
            StoreError: nothing can be kept now, whatever it is.
        """
        try:
            return self.learn(entries, pinned_by), []
        except StoreUnavailable:
            raise
        except StoreError:  # of one of them, or of some: only one by one can tell
            self.known([entries[0].job_name])  # raises where it is the store that is amiss
        owners: dict[str, Owner] = {}
        refused: list[tuple[Entry, StoreError]] = []
        for entry in entries:
            try:
                owners |= self.learn([entry], pinned_by)
            except StoreUnavailable:
                raise
            except StoreError as error:
                refused.append((entry, error))
        return owners, refused

    def known(self, names: Iterable[str] | None = None) -> list[Entry]:
        """What is known of these jobs, or of all; of each the version that was seen last first."""
        asked = None if names is None else list(names)
        if asked == []:
            return []
        with self._store.reading() as connection:
            query = job_statements.known(asked is None)
            rows = connection.execute(query, {} if asked is None else {"names": asked}).mappings()
            return [entry_of(row) for row in rows]

    def providers(self) -> dict[str, str]:
        """Who was seen last to provide each job there is, as ``acme-reports 1.0``."""
        with self._store.reading() as connection:
            rows = connection.execute(job_statements.providers())
            return {name: f"{dist} {version}".rstrip() for name, dist, version in rows}

    def of(self, name: str) -> Known:
        """All that bears on a submit of this job; the same object as long as nothing changes."""
        with suppress(StoreUnavailable):  # the connection may have died while it was idle
            rows = self._store.known_rows(name)
            if rows is not None:
                return self._remembered.of(name, rows)
        asked = {"job_name": name}
        with self._store.reading(ANSWER_WITHIN) as connection:  # as the submit it belongs to
            versions = connection.execute(job_statements.versions_of(), asked).mappings().all()
            overrides = connection.execute(job_statements.overrides_of(), asked).mappings().all()
            return known_of(versions, overrides)

    def owners(self, names: Iterable[str] | None = None) -> dict[str, Owner]:
        """Whom these names, or all, belong to."""
        asked = None if names is None else list(names)
        with self._store.reading() as connection:
            return self._owners(connection, asked)

    def adopt(self, name: str, dist: str) -> Owner | None:
        """Let a name belong to a distribution from now on; return whom it belonged to before."""

        def write(connection: Connection) -> Owner | None:
            before = self._owners(connection, [name]).get(name)
            statement = job_statements.pin if before is None else job_statements.pin_again
            connection.execute(statement(self._store.now), _pin(name, dist, "adopt"))
            self._store.database.tell(connection)
            return before

        return self._again(write)

    def overrides(self) -> dict[str, dict[str, Any]]:
        """What operators set, by job name and option."""
        with self._store.reading() as connection:
            found: dict[str, dict[str, Any]] = {}
            for row in connection.execute(job_statements.all_overrides()).mappings():
                found.setdefault(row["job_name"], {})[row["option_name"]] = json.loads(row["value"])
            return found

    def owners_and_overrides(self) -> tuple[dict[str, Owner], dict[str, dict[str, Any]]]:
        """What :meth:`owners` and :meth:`overrides` return, by one question."""
        owners: dict[str, Owner] = {}
        overrides: dict[str, dict[str, Any]] = {}
        with self._store.reading() as connection:
            for row in connection.execute(job_statements.owners_and_overrides()).mappings():
                name, option = row["job_name"], row["option_name"]
                if option is None:
                    owners[name] = _owner_of(row)
                else:
                    overrides.setdefault(name, {})[option] = json.loads(row["value"])
        return owners, overrides

    def override(self, name: str, options: Mapping[str, Any]) -> None:
        """Set options of a job; None takes back what was set."""

        def write(connection: Connection) -> None:
            for option, value in options.items():
                asked = {"of_job": name, "of_option": option, "to_value": json.dumps(value)}
                connection.execute(job_statements.take_override_back(), asked)
                if value is not None:
                    connection.execute(job_statements.set_override(self._store.now), asked)
            self._store.database.tell(connection)

        self._again(write)

    def counts(self, name: str) -> dict[str, int]:
        """How many runs of a job are in each state that any is in."""
        with self._store.reading() as connection:
            found = connection.execute(job_statements.counts_of(), {"name": name})
            return {row[0]: row[1] for row in found}

    def unfinished(self) -> dict[str, int]:
        """How many unfinished runs each job has that has any."""
        with self._store.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(job_statements.unfinished())}

    def waiting_params(self, name: str, most: int = 1000) -> list[tuple[str, str]]:
        """Id and parameters (JSON) of the oldest runs of a job that wait."""
        asked = {"name": name, "most": most}
        with self._store.reading() as connection:
            found = connection.execute(job_statements.waiting_params(), asked)
            return [(row[0], row[1]) for row in found]

    def _again(self, write: Callable[[Connection], T]) -> T:
        """Do it in a transaction; anew where another process wrote the same rows first."""

        @again
        def write_catalogue() -> T:
            with self._store.writing() as connection:
                return write(connection)

        done = write_catalogue()
        for each in tuple(self.readers):
            each.forget_jobs()
        return done

    def _owners(self, connection: Connection, names: Sequence[str] | None) -> dict[str, Owner]:
        if names is not None and not names:
            return {}
        query = job_statements.owners_of(names is None)
        rows = connection.execute(query, {} if names is None else {"names": list(names)}).mappings()
        return {row["job_name"]: _owner_of(row) for row in rows}

    def _versions(self, connection: Connection, names: Sequence[str]) -> set[Key]:
        """The versions of these jobs of which something is kept."""
        if not names:
            return set()
        found = connection.execute(job_statements.versions(), {"names": list(names)})
        return {(name, dist, version) for name, dist, version in found}


def _key(entry: Entry) -> Key:
    return entry.job_name, entry.provider.dist, entry.provider.version


def _each(connection: Connection, statement: Update | Insert, rows: list[dict[str, Any]]) -> None:
    """Execute a statement for each of the rows, all handed to the driver at once."""
    if rows:
        connection.execute(statement, rows)


def _pin(name: str, dist: str, by: str) -> dict[str, Any]:
    return {"of_job": name, "to_dist": dist, "to_pinned_by": by}


def _columns(entry: Entry) -> dict[str, Any]:
    def text(value: object) -> str | None:
        return None if value is None else json.dumps(value)

    return {
        "of_job": entry.job_name,
        "of_dist": entry.provider.dist,
        "of_version": entry.provider.version,
        "to_options": text(entry.options),
        "to_signature": text(entry.signature),
        "to_params_schema": text(entry.params_schema),
        "to_summary": storable(entry.summary),
        "to_import_seconds": entry.import_seconds,
        "to_trouble": storable(entry.trouble),
    }


def _owner_of(row: Row) -> Owner:
    return Owner(row["dist"], row["pinned_by"], from_stored_time(row["pinned_at"]))
