"""What databases differ in. One small file each: :mod:`.sqlite`, :mod:`.postgresql`, :mod:`.mysql`.

Everything else, the statements and the verbs, is the same for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, Connection, Engine, event, exc
from sqlalchemy.exc import DBAPIError

from .. import clock, extras
from ..errors import StoreError
from ..lifecycle import Claim, Outcome, RunRecord
from . import claim_statements, known, new_runs, reading_statements, statements
from .lending import Lending, Lent
from .offers import Basis, Head, Offer, Pair
from .packets import packets
from .statements import Now

ANSWER_WITHIN = 5.0
"""Seconds in which a database must begin to answer a statement that writes."""
READ_WITHIN = 30.0
"""Seconds in which it must begin to answer one that only reads, maybe through a long history."""
CONNECT_WITHIN = 3
"""Whole seconds, as drivers take them, in which a connection must be made."""

PING_WITHIN = 2.0
"""Seconds in which it must answer whether a kept connection is still there."""
PING_AFTER = 3.0
"""Seconds of idleness after which a kept connection is asked that."""


_STAGED_TOGETHER = 1000


class Trouble(Enum):
    """Why a database did not do what it was told; the value is what to do next."""

    AWAY = "See that its server runs, and that host, port and network are as the URL says."
    CROWDED = "Allow it more connections, or let fewer processes use it: a worker wants four."
    OPTIONS = "Check what stands after the '?' of the URL, and the files that it names."
    DENIED = "Check user, password and database in the URL, and what that user may do there."
    READ_ONLY = "It takes no writes: name the primary with --store or JOBREG_STORE, not a replica."
    FULL = "It has no room left: free some, then try again."
    LOCKED = "Somebody holds a lock for too long: look for an open transaction, then try again."
    SCHEMA = "The tables are not those of this jobreg: see jobreg store status."
    NOWHERE = "Name a schema with JOBREG_SCHEMA, or give the user or the database a search_path."
    BROKEN = "It is no file of SQLite's, or a damaged one: name another, or restore a backup."
    UNDONE = "Others wrote the same at the same time: try again."
    LARGE = "Let it take more at a time, or allow less: JOBREG_MAX_PARAMS, _RESULT, _ERROR."
    OTHER = ""


class Watch(Protocol):
    """Tells cheaply whether anything may have changed in the database."""

    @property
    def pairs(self) -> Collection[Pair] | None:
        """Where that is new runs alone, the pairs they wait in; None where it is not known."""

    @property
    def lent(self) -> Lent | None:
        """A connection that has just brought news, to be asked on it; None where none does."""

    def stirred(self) -> bool:
        """Does somebody write, and nobody knows what? :meth:`changed` says once it is there."""

    def changed(self, busy: bool = True) -> bool:
        """Has anything been committed since the last call? True where it cannot be told.

        Who is not ``busy``, because nothing is awaited soon, may be told later.
        """

    def pause(self, busy: bool = True) -> float:
        """Seconds after which to ask again, if :meth:`fileno` cannot be read before."""

    def fileno(self) -> int | None:
        """A descriptor that can be read when there may be news; None where there is none."""

    def close(self) -> None:
        """Let go of what it holds."""


class Poll:
    """For databases that tell nobody: something may have changed since we last looked.

    Often at first, then 5 times a second; where nobody has been busy for some 20 seconds, every
    other second.
    """

    _FIRST, _BUSY, _IDLE = 0.02, 0.2, 2.0
    _SLOWER, _SLOWLY = 1.5, 1.1

    def __init__(self) -> None:
        self.pairs: set[Pair] | None = None
        self.lent: Lent | None = None
        self._every = self._FIRST
        self._looked = clock.seconds() - self._IDLE

    def stirred(self) -> bool:
        """Nobody tells."""
        return False

    def changed(self, busy: bool = True) -> bool:
        """Is it time to look again?"""
        most = self._BUSY if busy else self._IDLE
        self._every = min(self._every, most)
        now = clock.seconds()
        if now - self._looked < self._every:
            return False
        self._looked, self._every = now, self._every * (self._SLOWER if busy else self._SLOWLY)
        return True

    def pause(self, busy: bool = True) -> float:
        """Seconds until it is time to look again."""
        every = min(self._every, self._BUSY if busy else self._IDLE)
        return max(0.0, self._looked + every - clock.seconds())

    def fileno(self) -> int | None:
        """Nothing to be read."""
        return None

    def close(self) -> None:
        """Nothing is held."""


InsertAsKnown = Callable[["Lent", Now, RunRecord, Sequence[str]], list[RunRecord]]


class Database:
    """One database, as the verbs need it. The defaults are those of a server."""

    now: Now
    most = math.inf
    """Bytes of a statement the server takes, where its last connection was told."""
    locks_rows = True
    """Does it lock rows one by one, so that others can be written while some are locked?"""
    makes_itself = False
    """Does an empty one get its tables on first use, without being asked?"""
    schema: str | None = None
    own_name = "current_database()"
    """How SQL asks for the name of the database."""

    def __init__(self, url: URL, engine: Engine) -> None:
        self.url = url
        self.engine = engine
        self.reader = engine
        """The same connections, as they are used to read only."""
        self.lending = Lending(self.make_to_lend, engine.dialect)
        self._own_words: str | None = None

    @property
    def file(self) -> Path | None:
        """The file that it is; None where it is on a server."""
        return None

    channel: str | None = None
    """What an insert is to be told on, for those who listen; None where nobody can."""

    def watch(self, *, listen: bool = False) -> Watch:
        """A watch of one's own. Who is to ``listen`` may hold a connection for it."""
        return Poll()

    def due(self, connection: Connection) -> list[Pair]:
        """Which (queue, job name) pairs have queued runs."""
        return [(queue, name) for queue, name in connection.execute(claim_statements.due_names())]

    def stage(self, connection: Connection, now: Now) -> None:
        """Queue the scheduled runs that are due, but for those that somebody else locks."""
        due, asked = claim_statements.due_scheduled(now), {"most": _STAGED_TOGETHER}
        while seqs := connection.execute(due, asked).scalars().all():
            connection.execute(claim_statements.stage(), {"seqs": seqs})

    def heads(self, connection: Connection, most: Mapping[Pair, int]) -> dict[Pair, list[Head]]:
        """The first queued runs, at most so many, of each pair, in order; none that others claim.

        Where the database can, they are kept from others until the transaction ends.
        """
        found = {}
        for (queue, name), limit in most.items():
            asked = {"queue": queue, "name": name, "most": limit}
            rows = connection.execute(claim_statements.heads(), asked)
            found[queue, name] = [Head(*row) for row in rows]
        return found

    look: Callable[[Connection, Mapping[Pair, int]], dict[Pair, list[Head]]] | None = None
    """As :meth:`heads`, of many pairs, sooner; they are kept from nobody, but by :meth:`keep`.

    None where :meth:`heads` takes no longer.
    """

    def keep(self, connection: Connection, seqs: Sequence[int]) -> set[int]:
        """Keep from others those of these queued runs that nobody else is claiming."""
        return set(connection.execute(claim_statements.keep(), {"seqs": seqs}).scalars())

    def take(
        self,
        connection: Connection,
        now: Now,
        worker_id: str,
        basis: Basis,
        seqs: Sequence[int],
    ) -> Iterable[Sequence[Any]]:
        """Claim queued runs by the numbers of their live rows.

        Each comes as that number and what :func:`.records.claim_under` wants of it, in any order.
        """
        marked = claim_statements.claiming(worker_id, basis)
        connection.execute(claim_statements.take(now), {"seqs": seqs, **marked})
        asked = {"seqs": seqs, "of_worker": worker_id}
        return connection.execute(claim_statements.claimed(now), asked).all()

    claim_at_once: Callable[[Lent, Now, str, str, Offer, bool], list[Claim]] | None = None
    """Claims for a worker (id) from one queue what is offered of one job, in order, and commits.

    It stops before what is not taken as all others are (what may start only once, and a suspect,
    unless the worker is alone and would take but one), and takes nothing for a worker that is
    fenced. None where it goes no quicker so than in several steps.
    """

    claim_pairs_at_once: Callable[[Lent, Now, str, Mapping[Pair, Offer]], list[Claim]] | None = None
    """As :attr:`claim_at_once`, of several pairs that are :func:`.claiming.alike`. It does not look
    whether they are paused, takes no suspect, and of what may start only once what can begin at
    once. It takes nothing where it would have to read more than it does to know what comes next.
    """

    claim_told: Callable[[Lent, Now, str, str, Offer, bool], list[Claim]] | None = None
    """As :attr:`claim_at_once`, where it was not looked whether there is anything: it sees itself
    whether that is paused, and keeps nobody from writing while it looks. It may take nothing
    although there is something: where other pairs wait too, or where somebody writes.
    """

    due_at_once: Callable[[Lent], list[Pair]] | None = None
    """As :meth:`due`, by the same means."""

    known_at_once: Callable[[Lent, str], known.Rows] | None = None
    """What the store knows of a job, by the same means, as :class:`.known.Remembered` reads it."""

    finish_at_once: Callable[[Lent, Now, str, str, Sequence[Outcome]], list[Outcome]] | None = None
    """As :meth:`finish`, by the same means; None where it goes no quicker so."""

    def finish(
        self,
        connection: Connection,
        now: Now,
        worker_id: str,
        host: str,
        outcomes: Sequence[Outcome],
    ) -> list[Outcome]:
        """Write runs that succeeded, if they are this worker's at that attempt; the others.

        Those are written, or refused, one by one; by default all are.
        """
        return list(outcomes)

    def insert(
        self, connection: Connection, now: Now, runs: Sequence[RunRecord]
    ) -> list[RunRecord]:
        """Store new runs, tell those who listen, and return the runs as they stand."""
        clock = connection.execute(reading_statements.clock(now)).scalar_one()
        rows = [new_runs.new_columns(run, clock) for run in runs]
        for some in packets([asked for asked, _ in rows], self.most):
            connection.execute(statements.insert_runs(), some)
        connection.execute(statements.insert_live(False), [waits for _, waits in rows])
        self.tell(connection)
        kinds = new_runs.Kinds(clock)
        return [kinds.of(run).stored(run) for run in runs]

    def tell(self, connection: Connection) -> None:
        """Let those who listen know that something may be claimed, once this is committed.

        Once for all that a transaction does: every word costs the server a lock.
        """
        if self.channel is not None:
            connection.execute(statements.tell(self.channel))

    insert_one: Callable[[Lent, Now, RunRecord], RunRecord] | None = None
    """Stores one new run on a connection that :meth:`lend` gave, and commits; returns it.

    None where it goes no quicker so than by :meth:`insert`.
    """

    insert_as_known: InsertAsKnown | None = None
    """As :attr:`insert_one`, if the store knows just this of the run's job, by the
    :attr:`~jobreg.catalogue.Known.signs` of that; else it stores nothing, and returns nothing.

    None where the store is asked first.
    """

    def lend(self, *, ping: bool = True) -> Lent | None:
        """A driver's connection, to be given back to :attr:`lending`; None where all are in use.

        One that was idle for long is asked first whether it lives, unless what is to be done can
        be done anew (``ping``).
        """
        return self.lending.take(ANSWER_WITHIN)

    def make_to_lend(self) -> Any:
        """One connection more of the driver's own, set up as all are."""
        made = self.engine.raw_connection()
        made.detach()
        return made.dbapi_connection

    def let_go(self, *, close: bool = True) -> None:
        """Forget the connections that are kept; ``close`` them as well, if they are ours."""
        self.engine.dispose(close=close)
        self.lending.let_go(close=close)

    @property
    def errors(self) -> type[Exception]:
        """What all errors of the driver are."""
        base: type[Exception] = self.engine.dialect.loaded_dbapi.Error
        return base

    def wrapped(self, error: Exception, connection: Any) -> DBAPIError:
        """An error of the driver as SQLAlchemy tells it.

        ``connection`` is None where none could be made.
        """
        dialect: Any = self.engine.dialect
        lost = connection is None or dialect.is_disconnect(error, connection, None)
        made = DBAPIError.instance(
            None, None, error, self.errors, connection_invalidated=lost, dialect=dialect
        )
        assert isinstance(made, DBAPIError)
        return made

    def words_of(self, now: Now) -> str:
        """The clock as SQL says it; compiled once where it is the database's own."""
        if now is not type(self).now:
            return clock_in_words(now)
        if self._own_words is None:
            self._own_words = clock_in_words(now)
        return self._own_words

    def called(self) -> object:
        """What :meth:`reached_by` mostly says of a connection to this database, by its URL."""
        return self.url.database

    def reached_by(self, connection: Connection) -> object:
        """What tells the database that a connection is to from others on the same server."""
        return connection.exec_driver_sql(f"SELECT {self.own_name}").scalar_one()

    def is_gone(self, connection: Any) -> bool:
        """Is it known, without asking, that this connection of the driver was closed?"""
        return False

    def bound(self, connection: Any, seconds: float | None) -> None:
        """Let this connection of the driver wait no longer than so for the server's next word."""

    def hold(self, connection: Connection, names: Iterable[str]) -> None:
        """Hold these names, as everybody does who may pass a cap, until the transaction ends."""

    def begin_alone(self, connection: Connection) -> None:
        """Be the only one to upgrade or rename, until the transaction ends, however late."""

    def trouble(self, error: DBAPIError) -> Trouble:
        """What kind of trouble an error of the driver tells of."""
        raise NotImplementedError

    def has_answered(self, error: DBAPIError) -> bool:
        """Is it the server itself that says it is leaving, and so has not done what it was told?"""
        return False

    def hint(self, trouble: Trouble) -> str:
        """What to do next."""
        return trouble.value

    def told(self, error: DBAPIError) -> str:
        """What the database said, on one line, without a full stop."""
        return one_line(str(error.orig))


def one_line(text: str) -> str:
    """The first line that says something."""
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line), "no reason given").rstrip(".")


def keep_alive(engine: Engine, database: Database) -> None:
    """Ask a connection that was idle for a while whether it is still there, before using it.

    Asking every time would cost every transaction a round trip, and an idle worker one a second.
    """

    @event.listens_for(engine, "checkin")
    def note(_: Any, record: Any) -> None:
        record.info["jobreg_idle_since"] = clock.seconds()

    @event.listens_for(engine, "checkout")
    def ask(connection: Any, record: Any, _: Any) -> None:
        if database.is_gone(connection):
            raise exc.InvalidatePoolError()
        if clock.seconds() - record.info.get("jobreg_idle_since", clock.seconds()) < PING_AFTER:
            return
        database.bound(connection, PING_WITHIN)
        try:
            there = engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            there = False
            cause: Exception | None = error
        else:
            cause = None
        if not there:
            # The others were idle as long: all are made anew.
            raise exc.InvalidatePoolError() from cause


def clock_in_words(now: Now) -> str:
    """The clock as SQL says it, for statements in the driver's words."""
    return str(now.compile(compile_kwargs={"literal_binds": True}))


def driver(name: str, extra: str) -> Any:
    """Import the driver of a database.

    Raises:
        StoreError: it is not installed; the message names the extra that brings it.
    """
    return extras.load(name, "This store", extra, StoreError)
