"""What only SQLite does: its clock, its transactions, and how to see a change."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    create_engine,
    event,
    exc,
    literal_column,
)
from sqlalchemy.dialects.sqlite.base import SQLiteDialect as Dialect
from sqlalchemy.exc import DBAPIError, OperationalError

from .. import clock, failpoints, proc
from ..errors import BadInput, StoreUnavailable
from ..lifecycle import Claim, Outcome, RunRecord
from . import claim_statements, forking, known, sqlite_file, sqlite_hot, sqlite_submit
from .database import Database, Trouble
from .inotify import FileNews
from .lending import Lent
from .offers import Basis, Head, Offer, Pair
from .statements import Now
from .tables import runs

T = TypeVar("T")

BUSY_SECONDS = 5.0
LOOK_EVERY = 0.01
"""Seconds between two looks whether the path still names the same file; each costs 2 µs.

A run stored within that time of the file's removal could as well have been stored just before it.
"""
# Bytes: SQLite lets the file that its processes share grow by no less.
_ROOM = 32_768

NOW: ColumnElement[int] = literal_column(sqlite_submit.NOW)
_KNOWN = known.words("?")
DUE = str(
    claim_statements.due_names().compile(dialect=Dialect(), compile_kwargs={"literal_binds": True})
)


class SQLite(Database):
    """A SQLite file. Whoever writes holds its one lock, so that names need not be held."""

    now = NOW
    locks_rows = False
    makes_itself = True

    def __init__(self, url: URL, engine: Engine) -> None:
        super().__init__(url, engine)
        self._file = sqlite_file.path_of(url)
        self._lent_from: object = None
        self._looks_at = 0.0

    @property
    def file(self) -> Path:
        """Where the database is."""
        return self._file

    def called(self) -> object:
        """The file, as the system knows it."""
        return sqlite_file.identity(self.file)

    def reached_by(self, connection: Connection) -> object:
        """The file that our tables are in, of those attached as well, as the system knows it."""
        places = connection.exec_driver_sql("PRAGMA database_list").all()
        for _, schema, file in places:
            ours = f"SELECT 1 FROM \"{schema}\".sqlite_master WHERE name = '{runs.name}'"
            if file and connection.exec_driver_sql(ours).first() is not None:
                return sqlite_file.identity(file)
        return sqlite_file.identity(places[0][2])

    def lend(self, *, ping: bool = True) -> Lent | None:
        """A connection of the driver's; none to a file that another has taken the place of."""
        now = clock.seconds()
        if now >= self._looks_at:
            self._looks_at, file = now + LOOK_EVERY, sqlite_file.identity(self._file)
            if self._lent_from not in (None, file):
                self.let_go()
            self._lent_from = file
        return super().lend(ping=ping)

    def watch(self, *, listen: bool = False) -> Watch:
        """A watch on the file."""
        return Watch(self.url)

    def due_at_once(self, lent: Lent) -> list[Pair]:
        """Which pairs have queued runs, and are not paused."""
        found = lent.execute(DUE, ()).fetchall()
        return [(queue, name) for queue, name in found]

    def known_at_once(self, lent: Lent, name: str) -> known.Rows:
        """What is known of a job."""
        rows: known.Rows = lent.execute(_KNOWN, (name, name)).fetchall()
        return rows

    def stage(self, connection: Connection, now: Now) -> None:
        """Queue the scheduled runs that are due."""
        connection.execute(claim_statements.stage_due(now))

    def heads(self, connection: Connection, most: Mapping[Pair, int]) -> dict[Pair, list[Head]]:
        """The first queued runs, at most so many, of each pair, in order."""
        return sqlite_hot.heads(connection.exec_driver_sql, most)

    def take(
        self,
        connection: Connection,
        now: Now,
        worker_id: str,
        basis: Basis,
        seqs: Sequence[int],
    ) -> Iterable[Sequence[Any]]:
        """Claim queued runs by the numbers of their live rows."""
        execute = connection.exec_driver_sql
        return sqlite_hot.take(execute, self.words_of(now), worker_id, basis, seqs)

    def claim_at_once(
        self, lent: Lent, now: Now, worker_id: str, queue: str, offer: Offer, alone: bool
    ) -> list[Claim]:
        """Claim what is offered of one job from one queue, in a transaction of its own."""
        own = self.words_of(now), worker_id, queue, offer, alone
        return list(self._written(lent, sqlite_hot.claim, *own))

    def claim_pairs_at_once(
        self, lent: Lent, now: Now, worker_id: str, offers: Mapping[Pair, Offer]
    ) -> list[Claim]:
        """Claim what is offered of several pairs together, in a transaction of its own."""
        own = self.words_of(now), worker_id, offers
        return list(self._written(lent, sqlite_hot.claim_pairs, *own))

    def claim_told(
        self, lent: Lent, now: Now, worker_id: str, queue: str, offer: Offer, alone: bool
    ) -> list[Claim]:
        """As :meth:`claim_at_once`, if nothing else waits; a writer once it has seen what to claim.

        Where somebody else writes, or has written since, it claims nothing.
        """
        own = self.words_of(now), worker_id, queue, offer, alone, True
        try:
            return list(self._written(lent, sqlite_hot.claim, *own, begin="BEGIN"))
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            return []

    def finish(
        self,
        connection: Connection,
        now: Now,
        worker_id: str,
        host: str,
        outcomes: Sequence[Outcome],
    ) -> list[Outcome]:
        """Write runs that succeeded, if they are this worker's at that attempt; the others."""
        if not outcomes:
            return []
        execute = connection.exec_driver_sql
        noted, left = sqlite_hot.as_noted(execute, worker_id, outcomes)
        self._finished(execute, now, worker_id, host, noted).write(execute)
        return left

    def finish_at_once(
        self, lent: Lent, now: Now, worker_id: str, host: str, outcomes: Sequence[Outcome]
    ) -> list[Outcome]:
        """As :meth:`finish`, made ready before the lock is taken; nothing where one is not so."""
        done = self._finished(lent.execute, now, worker_id, host, outcomes)
        if done.fences:
            try:
                self._written(lent, lambda _: done.write(lent.execute_many))
            except sqlite_hot.NotAsNoted:
                return list(outcomes)
        return done.left

    def _finished(self, execute: sqlite_hot.Execute, now: Now, *of: Any) -> sqlite_hot.Finished:
        ((clock,),) = execute(f"SELECT {self.words_of(now)}", ()).fetchall()
        return sqlite_hot.Finished.of(clock, *of)

    def insert(
        self, connection: Connection, now: Now, runs: Sequence[RunRecord]
    ) -> list[RunRecord]:
        """Store new runs, and return them as they stand."""
        return sqlite_submit.insert_many(connection.exec_driver_sql, self.words_of(now), runs)

    def insert_one(self, lent: Lent, now: Now, run: RunRecord) -> RunRecord:
        """Store one new run in a transaction of its own."""
        return self._written(lent, self._insert_one, now, run)

    def _insert_one(self, execute: sqlite_submit.Execute, now: Now, run: RunRecord) -> RunRecord:
        if now is type(self).now:
            return sqlite_submit.insert_one(execute, sqlite_submit.clock(), run)
        (clock,) = execute(f"SELECT {self.words_of(now)}", ()).fetchone()
        return sqlite_submit.insert_one(execute, clock, run)

    def _written(
        self, lent: Lent, do: Callable[..., T], *arguments: Any, begin: str = "BEGIN IMMEDIATE"
    ) -> T:
        """A transaction of the driver's, of what ``do(execute, *arguments)`` does in it."""
        try:
            lent.execute(begin, ())
            done = do(lent.execute, *arguments)
            failpoints.commit("before")
            lent.dialect.do_commit(lent.connection)
        except BaseException:
            # A connection that is only closed may hold its lock for a while.
            lent.connection.rollback()
            raise
        failpoints.commit("after")
        return done

    def trouble(self, error: DBAPIError) -> Trouble:
        """What SQLite's result code tells of (sqlite.org/rescode.html)."""
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        # A file that cannot grow is an error of input and output, as a broken disk is.
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and self._no_room()):
            return Trouble.FULL
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return Trouble.BROKEN
        return Trouble.LOCKED if isinstance(error, OperationalError) else Trouble.OTHER

    def _no_room(self) -> bool:
        try:
            return shutil.disk_usage(sqlite_file.path_of(self.url).parent).free < _ROOM
        except OSError:
            return False

    def hint(self, trouble: Trouble) -> str:
        """What to do next: it is the file, whatever it is."""
        if trouble is Trouble.FULL:
            return f"The disk is full. {trouble.value}"
        if trouble is Trouble.BROKEN:
            return super().hint(trouble)
        return (
            "Check the file, its folder and their permissions; "
            "if another process held it, try again."
        )

    def told(self, error: DBAPIError) -> str:
        """What SQLite said; of a lock, who holds it where that can be known."""
        said = str(error.orig)
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
            return said
        pid = proc.writer(self.file)
        if pid is None:
            return said
        if pid == os.getpid():
            return f"{said} by this process"
        stopped = f", which is stopped: end it, or kill -CONT {pid}"
        return f"{said} by process {pid}{stopped if proc.is_stopped(pid) else ''}"


def make_engine(url: URL, sync: str) -> Engine:
    """Make an engine on a SQLite file, which is created (mode 0600) where it is missing.

    Every writing transaction begins IMMEDIATE: one that begins by reading and writes later fails
    with "database is locked" whatever the busy timeout.

    Raises:
        BadInput: the URL names no file, or an option that the driver does not know.
        StoreUnavailable: the file cannot be made.
    """
    path = sqlite_file.path_of(url)
    try:  # before the file is made
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        engine.dialect.create_connect_args(url)
    except (exc.ArgumentError, TypeError, ValueError) as error:
        raise BadInput(f"The store URL cannot be used: {error}.") from error
    why = sqlite_file.make(path)
    if why is not None:
        raise StoreUnavailable(
            f"The store {path} cannot be opened: {why}. "
            "Check the folder and its permissions, or name another with --store or JOBREG_STORE."
        )

    # What is opened is there for as long as it is open, whatever becomes of its name.
    @event.listens_for(engine, "do_connect")
    def note(_: object, record: Any, *__: object) -> None:
        record.info["jobreg_file"] = sqlite_file.there(path)

    @event.listens_for(engine, "checkout")
    def ask(_: object, record: Any, __: object) -> None:
        if record.info["jobreg_file"] != sqlite_file.identity(path):
            raise exc.InvalidatePoolError()

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        _write_ahead(connection)
        connection.execute(f"PRAGMA synchronous={sync.upper()}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("jobreg_reading")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Set the journal mode, waiting for others: SQLite waits for no one in this one switch.

    Without it, of several processes that open a new file at once, some fail as locked.
    """
    ends = clock.seconds() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or clock.seconds() >= ends:
                raise
        time.sleep(0.01)


class Watch:
    """Sees that another connection has committed, for the price of a pragma (2 microseconds).

    Whoever commits writes to the write-ahead log first, and of that Linux tells; the commit is
    there to be seen a moment later, after the file was synced. Elsewhere the pragma is asked 50
    times a second.
    """

    _SOON, _LATER, _AT_LEAST, _UNTOLD = 0.0001, 0.25, 2.0, 0.02
    _SELDOM = 0.01

    def __init__(self, url: URL) -> None:
        self.pairs: set[Pair] | None = None
        self.lent: Lent | None = None
        self._path = sqlite_file.path_of(url)
        self._file: object = None
        self._connection: sqlite3.Connection | None = None
        self._news: FileNews | None = None
        self._seen: Any = None
        self._soon = self._LATER
        self._asked = self._believed = 0.0

    def stirred(self) -> bool:
        """Was the file written to? What was, is committed a moment before or after."""
        if self._news is None or not self._news.take():
            return False
        self._soon, now = self._SOON, clock.seconds()
        if now - self._believed < self._SELDOM:
            return False
        self._believed = now
        return True

    def changed(self, busy: bool = True) -> bool:
        """Has anything been committed since the last call? True where it cannot be told."""
        entered = forking.enter()
        try:
            file = sqlite_file.identity(self._path)
            if file != self._file:  # another has taken its place
                self.close()
                self._file, self._seen = file, None
            if self._connection is None:
                self._open()
            assert self._connection is not None
            if self._news is not None and self._news.take():
                self._soon = self._SOON
            version = self._connection.execute("PRAGMA data_version").fetchone()
        except (sqlite3.Error, StoreUnavailable):
            return True
        finally:
            forking.leave(entered)
        changed: bool = version != self._seen
        self._seen = version
        self._asked = clock.seconds()
        return changed

    def _open(self) -> None:
        sqlite_file.there(self._path)
        # A connection used for nothing else: the pragma does not see its own commits.
        connection = sqlite3.connect(self._path, check_same_thread=False)
        try:
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()  # makes the log
        except sqlite3.Error:
            connection.close()
            raise
        self._connection = connection
        with contextlib.suppress(OSError):
            there = self._path.resolve()  # beside it is the log, not beside a link to it
            self._news = FileNews(there.with_name(there.name + "-wal"))

    def pause(self, busy: bool = True) -> float:
        """Seconds after which to ask again: soon, then ever later, once the log was written to."""
        if self._news is None:
            return self._UNTOLD
        if self._soon < self._LATER:
            self._soon *= 1.5
            return self._soon
        return max(0.0, self._asked + self._AT_LEAST - clock.seconds())

    def fileno(self) -> int | None:
        """What can be read when the write-ahead log was written to."""
        return None if self._news is None else self._news.fileno()

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            with forking.inside():
                self._connection.close()
            self._connection = None
        if self._news is not None:
            self._news.close()
            self._news = None
