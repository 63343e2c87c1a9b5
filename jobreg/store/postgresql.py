"""What only PostgreSQL does: its clock, its locks, its connections, its words for trouble."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from hashlib import blake2b
from typing import Any, TypeVar

from sqlalchemy import (
    URL,
    BigInteger,
    Connection,
    Engine,
    create_engine,
    literal_column,
    text,
)
from sqlalchemy.exc import DBAPIError, OperationalError

from .. import clock, failpoints
from ..errors import BadInput
from ..lifecycle import Claim, Outcome, RunRecord
from . import database, known, new_runs, postgresql_hot, reading_statements
from .bounded import NETWORK, connect, connect_with_bounds
from .database import Database, Poll, Trouble
from .lending import Lent
from .listening import Listener
from .offers import Basis, Head, Offer, Pair
from .postgresql_submit import Words, values_of
from .statements import Now

T = TypeVar("T")

# The clock of now, not of the transaction's begin: a claim may have waited for a lock.
NOW = literal_column(
    "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)", BigInteger()
)

# A worker that is frozen inside a transaction must not hold its locks for ever, nor a lock of
# somebody else's hold up a submit for longer than a client waits.
_SERVER = {
    "lock_timeout": "4s",
    "statement_timeout": f"{database.READ_WITHIN:g}s",
    "idle_in_transaction_session_timeout": "15s",
    # A plan made for an empty table would be kept for a full one: reading 10,000 runs back took
    # 5.5 s in place of 0.2. And compiling a plan that reads 500 runs costs more than the plan.
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
    # A few hundred rows are looked up by their ids; at the default, which is that of a disk with
    # a head, the planner reads all of a table of 100,000 instead, having no statistics yet.
    "random_page_cost": "1.1",
    # Else Alembic does not know the types of what it reads, and says so.
    "quote_all_identifiers": "off",
    # Else a NULL in an array of ours would be read as a text, or be no number.
    "array_nulls": "on",
    # For what is asked outside a transaction of SQLAlchemy's, which begins by saying so itself.
    "default_transaction_isolation": "read\\ committed",
}
# What a lent connection does has but one good plan, row by row through the indexes and in their
# order; it is kept. Having no statistics yet, the planner read all that waited for each settle,
# where that was not many times as much, or sorted it for each claim.
_LENT = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
    "enable_sort": "off",
    # What is left to be sorted counts as dear, and so as worth compiling.
    "jit": "off",
}  # fmt: skip
_BOUNDS = """SELECT name FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout',
'idle_in_transaction_session_timeout', 'transaction_timeout')"""  # the last since PostgreSQL 17
_TROUBLE = {
    "08": Trouble.AWAY, "57P01": Trouble.AWAY, "57P02": Trouble.AWAY, "57P03": Trouble.AWAY,
    "57P05": Trouble.AWAY, "25P03": Trouble.AWAY, "25P04": Trouble.AWAY, "53300": Trouble.CROWDED,
    "28": Trouble.DENIED, "3D": Trouble.DENIED, "42501": Trouble.DENIED,
    "25006": Trouble.READ_ONLY,
    "53": Trouble.FULL,
    "55P03": Trouble.LOCKED, "57014": Trouble.LOCKED,
    "42P01": Trouble.SCHEMA, "42703": Trouble.SCHEMA, "3F000": Trouble.NOWHERE,
    "40": Trouble.UNDONE, "23505": Trouble.UNDONE,
}  # fmt: skip
# Before a connection is made errors bear no code; these are the words of libpq and the server.
_CROWDED = re.compile(r"(?i)too many (clients|connections)|connection slots")
_OPTIONS = re.compile(
    r"(?i)certificate|private key|SSL error: (?!unexpected)|sslmode|startup parameter"
    r"|invalid .* value|definition of service"
)
_REFUSED = re.compile(r"(?i)password|authentication|pg_hba|does not exist|permission denied")


def make(url: URL) -> Database:
    """The database behind a URL, its tables in the schema that the URL names, if it does.

    Raises:
        BadInput: the URL holds an option the driver does not know.
        StoreError: the driver is not installed.
    """
    psycopg = database.driver("psycopg", "postgres")
    schema = str(url.query["schema"]) if "schema" in url.query else None
    plain = url.difference_update_query(["schema"]).set(drivername="postgresql+psycopg")
    try:
        psycopg.conninfo.make_conninfo(**plain.query)
    except psycopg.ProgrammingError as error:
        raise BadInput(
            f"The store URL cannot be used: {database.one_line(str(error))}. "
            "After its '?' stand the connection parameters of libpq."
        ) from error
    # Of the same setting the last stands: that of the URL, or else of libpq's own variable.
    given = url.query.get("options", os.environ.get("PGOPTIONS", ""))
    connect_args: dict[str, Any] = {
        **{name: value for name, value in NETWORK.items() if name not in url.query},
        "options": f"{_as_options(_SERVER)} {given}",
    }
    engine = create_engine(
        plain,
        isolation_level="READ COMMITTED",
        connect_args=connect_args,
        client_encoding="utf8",
        use_native_hstore=False,
        pool_timeout=database.ANSWER_WITHIN,
        pool_use_lifo=True,
        # Every transaction of ours ends with its block; the pool need not ask for another end.
        pool_reset_on_return=None,
        execution_options={"schema_translate_map": {None: schema}} if schema else {},
    )
    connect_with_bounds(engine)
    made = PostgreSQL(url, engine, schema, connect_args)
    database.keep_alive(engine, made)
    return made


class PostgreSQL(Database):
    """PostgreSQL 12 and later, by psycopg."""

    now = NOW

    def __init__(
        self, url: URL, engine: Engine, schema: str | None, connect_args: dict[str, Any]
    ) -> None:
        super().__init__(url, engine)
        self._connect_args = connect_args
        # Each statement by itself: it sees what is committed either way, without the two journeys
        # that begin and end a transaction.
        self.reader = engine.execution_options(isolation_level="AUTOCOMMIT")
        self.schema = schema
        self._words = postgresql_hot.Words(schema)
        self.channel = "jobreg" if schema is None else f"jobreg in {schema}"
        self._new = Words(schema, self.channel)
        self._known = known.words("%s", "" if schema is None else f"{_quoted(schema)}.")

    def watch(self, *, listen: bool = False) -> database.Watch:
        """A poll, which a word from another process cuts short for those who listen."""
        return Listener(self) if listen else Poll()

    def is_gone(self, connection: Any) -> bool:
        """Has the server, or somebody on the way, said that it is closed?"""
        try:
            connection.pgconn.consume_input()
            # A server that leaves in good order says so first: only after that is the end seen.
            connection.pgconn.consume_input()
        except self.errors:
            return True
        return False

    def bound(self, connection: Any, seconds: float | None) -> None:
        """Let a connection be silent no longer than so."""
        connection.silent_at_most = seconds

    def hold(self, connection: Connection, names: Iterable[str]) -> None:
        """Hold these names until the transaction ends."""
        for name in sorted(names):
            key = _number_of(f"jobreg {self.schema} {name}")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({key})")

    def due(self, connection: Connection) -> list[Pair]:
        """Which pairs have queued runs, and are not paused."""
        return self._words.due(connection.exec_driver_sql)

    def due_at_once(self, lent: Lent) -> list[Pair]:
        """As :meth:`due`, on a lent connection."""
        return self._words.due(lent.execute)

    def known_at_once(self, lent: Lent, name: str) -> known.Rows:
        """What is known of a job. Who asks, asks otherwise where the answer does not come soon."""
        self.bound(lent.connection, database.PING_WITHIN)
        rows: known.Rows = lent.execute(self._known, (name, name)).fetchall()
        return rows

    def heads(self, connection: Connection, most: Mapping[Pair, int]) -> dict[Pair, list[Head]]:
        """The first queued runs, at most so many, of each pair; none that others claim."""
        return self._words.heads(connection, most)

    def take(
        self,
        connection: Connection,
        now: Now,
        worker_id: str,
        basis: Basis,
        seqs: Sequence[int],
    ) -> Iterable[Sequence[Any]]:
        """Claim queued runs by the numbers of their live rows."""
        return self._words.take(connection, self.words_of(now), worker_id, basis, seqs)

    def claim_at_once(
        self, lent: Lent, now: Now, worker_id: str, queue: str, offer: Offer, alone: bool
    ) -> list[Claim]:
        """Claim what is offered of one job from one queue, by one statement."""
        own = self.words_of(now), worker_id, queue, offer, alone
        return _committed(self._words.claim, lent.execute, *own)

    claim_told = claim_at_once

    def claim_pairs_at_once(
        self, lent: Lent, now: Now, worker_id: str, offers: Mapping[Pair, Offer]
    ) -> list[Claim]:
        """Claim what is offered of several pairs together, by one statement."""
        own = self.words_of(now), worker_id, offers
        return _committed(self._words.claim_pairs, lent.execute, *own)

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
        words = self.words_of(now)
        return self._words.finish(connection.exec_driver_sql, words, worker_id, host, outcomes)

    def finish_at_once(
        self, lent: Lent, now: Now, worker_id: str, host: str, outcomes: Sequence[Outcome]
    ) -> list[Outcome]:
        """As :meth:`finish`, by one statement."""
        words = self.words_of(now)
        return _committed(self._words.finish, lent.execute, words, worker_id, host, outcomes)

    def insert(
        self, connection: Connection, now: Now, runs: Sequence[RunRecord]
    ) -> list[RunRecord]:
        """Store new runs, tell those who listen, and return the runs as they stand."""
        psycopg = database.driver("psycopg", "postgres")
        # A connection of the caller's may be another driver's.
        if not isinstance(connection.connection.dbapi_connection, psycopg.Connection):
            return super().insert(connection, now, runs)
        if len(runs) == 1:
            words, values = self._new.insert_one(self.words_of(now)), values_of(runs[0])
            clock_says = connection.exec_driver_sql(words, values).one()[0]
            return [new_runs.kind_of(runs[0], clock_says).stored(runs[0])]
        clock_says = connection.execute(reading_statements.clock(now)).scalar_one()
        cursor: Any = connection.connection.cursor()
        try:
            with cursor:
                stored = self._new.copy(cursor, clock_says, runs)
        except psycopg.Error as error:
            raise self.wrapped(error, connection.connection.dbapi_connection) from error
        self.tell(connection)
        return stored

    def insert_one(self, lent: Lent, now: Now, run: RunRecord) -> RunRecord:
        """Store one new run by one statement, which is its own transaction."""
        (stored,) = self._insert_one(lent, now, run)
        return stored

    def insert_as_known(
        self, lent: Lent, now: Now, run: RunRecord, signs: Sequence[str]
    ) -> list[RunRecord]:
        """As :meth:`insert_one`, or nothing. Who asks, asks anew where no answer comes soon."""
        self.bound(lent.connection, database.PING_WITHIN)
        return self._insert_one(lent, now, run, signs)

    def _insert_one(
        self, lent: Lent, now: Now, run: RunRecord, signs: Sequence[str] | None = None
    ) -> list[RunRecord]:
        words, values = self._new.insert_one(self.words_of(now)), values_of(run, signs)
        rows = _committed(lent.execute, words, values).fetchall()
        return [new_runs.kind_of(run, clock_says).stored(run) for clock_says, _ in rows]

    def make_to_lend(self) -> Any:
        """A connection on which each statement commits by itself."""
        arguments, of_url = self.engine.dialect.create_connect_args(self.engine.url)
        options = {**of_url, **self._connect_args, "autocommit": True}
        # At the start: what is set later stays, behind a pooler, for whoever has it next.
        options["options"] = f"{options.get('options', '')} {_as_options(_LENT)}"
        return connect(arguments, options)

    def lend(self, *, ping: bool = True) -> Lent | None:
        """A connection with which nothing is known to be wrong.

        That it was torn down can be seen without asking the server; what is sent on one that was
        may have been stored, or not.
        """
        while lent := super().lend():
            try:
                if self.is_gone(lent.connection):
                    self.lending.drop(lent)
                    continue
                now = clock.seconds()
                idle, lent.since = now - lent.since, now
                if ping and idle >= database.PING_AFTER:
                    self.bound(lent.connection, database.PING_WITHIN)
                    self.engine.dialect.do_ping(lent.connection)
            except self.errors:
                self.lending.drop(lent)
            except BaseException:
                self.lending.drop(lent)
                raise
            else:
                self.bound(lent.connection, database.ANSWER_WITHIN)
                return lent
        return None

    def begin_alone(self, connection: Connection) -> None:
        """Be the only upgrader, in the schema that was asked for, which is made if missing."""
        self.bound(connection.connection.dbapi_connection, None)
        for (name,) in connection.execute(text(_BOUNDS)).all():
            connection.exec_driver_sql(f"SET LOCAL {name} = 0")
        self.hold(connection, ["upgrade"])
        if self.schema is not None:
            quoted = _quoted(self.schema)
            there = text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
            if connection.execute(there, {"name": self.schema}).first() is None:
                connection.exec_driver_sql(f"CREATE SCHEMA {quoted}")
            connection.exec_driver_sql(f"SET LOCAL search_path TO {quoted}")

    def trouble(self, error: DBAPIError) -> Trouble:
        """What kind of trouble an error of psycopg tells of."""
        code = getattr(error.orig, "sqlstate", None)
        if code is not None:
            return next((_TROUBLE[c] for c in (code, code[:2]) if c in _TROUBLE), Trouble.OTHER)
        if error.connection_invalidated or isinstance(error, OperationalError):
            told = str(error.orig)  # who is not let in is told no code
            if _CROWDED.search(told):
                return Trouble.CROWDED
            if _OPTIONS.search(told):
                return Trouble.OPTIONS
            return Trouble.DENIED if _REFUSED.search(told) else Trouble.AWAY
        return Trouble.OTHER

    def has_answered(self, error: DBAPIError) -> bool:
        """Was the connection ended in place of an answer?

        An ending server says so (57P01) to who is idle or at work, and where it comes between a
        commit and its answer it says nothing (SyncRepWaitForLSN in its source). Who was idle for
        too long (57P05, idle_session_timeout) had not been heard.
        """
        return getattr(error.orig, "sqlstate", None) in ("57P01", "57P05")

    def told(self, error: DBAPIError) -> str:
        """The server's own sentence, without what libpq puts around it."""
        diagnosis = getattr(error.orig, "diag", None)
        said = getattr(diagnosis, "message_primary", None) or str(error.orig)
        line = database.one_line(said).removeprefix("connection failed: ")
        return line.replace(" FATAL:  ", " ")


def _committed(do: Callable[..., T], *arguments: Any) -> T:
    """Do what is one statement, and so its own transaction."""
    failpoints.commit("before")
    done = do(*arguments)
    failpoints.commit("after")
    return done


def _as_options(settings: Mapping[str, str]) -> str:
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


@cache
def _number_of(name: str) -> int:
    """The key of an advisory lock: 64 bits of a name."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
