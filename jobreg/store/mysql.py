"""What only MySQL and MariaDB do: their clock, locks, connections, and words for trouble."""

from __future__ import annotations

import select
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

from sqlalchemy import URL, BigInteger, Connection, Engine, create_engine, event, literal_column
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from ..errors import BadInput, StoreError
from . import claim_statements, database, mysql_options
from .database import Database, Trouble
from .offers import Head, Pair

# In UTC whatever the time zone of server and session.
NOW = literal_column("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))", BigInteger())

_LOCKED_FOR = 4
_STANDING_STILL = 15
_BESIDE = 64
"""Bytes of a statement, at most, for what stands beside a text in it."""
_JUMPS, _LEAST, _MOST = 50, 100, 2000
"""Names that are jumped to one by one; after these so many runs, at least and at most, are read at
once for theirs.
"""
_TOGETHER = 50
"""Pairs whose first runs are read by one statement."""
_OLDEST: dict[str, tuple[int, ...]] = {"MySQL": (8, 0, 1), "MariaDB": (10, 6)}
# Strict: a text that does not fit is an error, not a shorter text.
_SESSION = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',"
    f" time_zone = '+00:00', innodb_lock_wait_timeout = {_LOCKED_FOR},"
    f" lock_wait_timeout = {_LOCKED_FOR}, wait_timeout = 60, sql_safe_updates = 0,"
    " sql_select_limit = 18446744073709551615, sql_big_selects = 1"
    # A worker that is frozen inside a transaction must not hold its locks for ever. MariaDB alone
    # can tell such a connection from one that is idle, and alone reads this comment.
    f" /*M!100302 , idle_transaction_timeout = {_STANDING_STILL} */"
)
_NOT_CONNECTED = 2003
_TROUBLE = {
    Trouble.AWAY: {1053, 1129, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2005, 2006, 2013, 2055,
                   4031},
    Trouble.CROWDED: {1040, 1203, 1226},
    Trouble.OPTIONS: {2026},
    Trouble.DENIED: {1044, 1045, 1046, 1049, 1130, 1142, 1143, 1227, 1698, 1820},
    Trouble.READ_ONLY: {1223, 1290, 1792, 1836},
    Trouble.FULL: {28, 1021, 1030, 1037, 1041, 1114},
    Trouble.LOCKED: {1205, 1969, 3024, 3572},
    Trouble.SCHEMA: {1054, 1146},
    Trouble.UNDONE: {1020, 1062, 1213},
    Trouble.LARGE: {1153},
}  # fmt: skip


def make(url: URL) -> Database:
    """The database behind a URL.

    Raises:
        BadInput: the URL names no database, or an option that cannot be used.
        StoreError: the driver is not installed.
    """
    pymysql = database.driver("pymysql", "mysql")
    if not url.database:
        raise BadInput("The store URL names no database: give one such as mysql://user@host/jobs.")
    plain, tls = mysql_options.checked(url, pymysql.connect)
    engine = create_engine(
        plain.set(drivername="mysql+pymysql"),
        isolation_level="READ COMMITTED",
        connect_args={
            "charset": "utf8mb4",
            "connect_timeout": database.CONNECT_WITHIN,
            "read_timeout": database.CONNECT_WITHIN,  # of the handshake; later :meth:`bound`
            "write_timeout": database.ANSWER_WITHIN,
            "init_command": _SESSION,
            **_password(url),
        },
        # Every transaction of ours ends with its block; the pool need not ask for another end.
        pool_reset_on_return=None,
        pool_timeout=database.ANSWER_WITHIN,
        pool_use_lifo=True,
    )
    # Many rows in one statement: a round trip for each of 10,000 runs took 5 s.
    engine.dialect.use_insertmanyvalues_wo_returning = True
    mysql_options.speak_tls(engine, tls, pymysql.err.OperationalError)
    made = MySQL(url, engine)
    database.keep_alive(engine, made)
    _check_version(engine)
    _know_the_most(engine, made)
    _let_go_of_names(engine)
    return made


def _password(url: URL) -> dict[str, bytes]:
    """The password of a URL as the server got it; PyMySQL makes Latin-1 of a text."""
    # As an option of PyMySQL it stands before the one beside the user; under its old name, behind.
    given = url.query.get("password") or url.password or url.query.get("passwd")
    return {} if given is None else {"password": str(given).encode()}


class MySQL(Database):
    """MySQL 8 and MariaDB 10.6 and later, by PyMySQL."""

    now = NOW
    own_name = "database()"

    def due(self, connection: Connection) -> list[Pair]:
        """Which (queue, job name) pairs have queued runs, a jump for each.

        MariaDB does not jump by itself: of its plans for one statement the best reads every
        queued run (of 40,000, with 40 names, in 8 ms, the recursive one in 180). The jumps took
        14 ms there, and take as long where a million wait.
        """
        found: list[Pair] = []
        place = {"queue": "", "name": ""}
        while row := connection.execute(claim_statements.next_due_name(), place).first():
            found.append((row.queue, row.job_name))
            if len(found) == _JUMPS:
                found += self._due_after(connection, found[-1])
                break
            place = {"queue": row.queue, "name": row.job_name}
        paused = {tuple(row)[:2] for row in connection.execute(claim_statements.all_pauses())}
        return [
            (queue, name)
            for queue, name in found
            if ("queue", queue) not in paused and ("job", name) not in paused
        ]

    def _due_after(self, connection: Connection, last: Pair) -> Iterator[Pair]:
        """The pairs after this one: those of many runs together, where few runs wait in each."""
        most = _LEAST
        while True:
            asked = {"queue": last[0], "name": last[1], "most": most}
            rows = connection.execute(claim_statements.next_due_names(), asked).all()
            yield from ((row.queue, row.job_name) for row in rows)
            if sum(row.runs for row in rows) < most:
                return
            last, most = (rows[-1].queue, rows[-1].job_name), min(_MOST, _LEAST * len(rows))

    def look(self, connection: Connection, most: Mapping[Pair, int]) -> dict[Pair, list[Head]]:
        """The first queued runs, at most so many, of each of many pairs; kept from nobody.

        A statement for each pair took a third of a millisecond: more than a lease for some
        thousands, in a transaction that keeps the worker's row.
        """
        pairs, found = list(most), dict[Pair, list[Head]]()
        for first in range(0, len(pairs), _TOGETHER):
            some = pairs[first : first + _TOGETHER]
            asked: dict[str, Any] = {}
            for number in range(_TOGETHER):
                queue, name = some[number] if number < len(some) else ("", "")
                limit = most.get((queue, name), 0)
                asked |= {f"queue{number}": queue, f"name{number}": name, f"most{number}": limit}
            found |= {pair: [] for pair in some}
            heads = claim_statements.heads_of_several(_TOGETHER)
            for *head, number in connection.execute(heads, asked):
                found[some[number]].append(Head(*head))
        return found

    def is_gone(self, connection: Any) -> bool:
        """Is there anything to be read, unasked: that it was closed, or why?"""
        if connection._sock is None:
            return True
        idle = select.poll()  # select() takes no descriptor over 1023
        idle.register(connection._sock, select.POLLIN)
        return bool(idle.poll(0))

    def bound(self, connection: Any, seconds: float | None) -> None:
        """Let the next answers on a connection take no longer than so."""
        connection._read_timeout = seconds

    def hold(self, connection: Connection, names: Iterable[str]) -> None:
        """Hold these names until the connection goes back to the pool, after the transaction."""
        for name in sorted(names):
            self._hold(connection, name, _LOCKED_FOR)

    def begin_alone(self, connection: Connection) -> None:
        """Be the only upgrader. MySQL ends a transaction with every step: the name goes on."""
        self.bound(connection.connection.dbapi_connection, None)
        connection.exec_driver_sql("SET SESSION lock_wait_timeout = 600")
        self._hold(connection, "upgrade", 600)

    def _hold(self, connection: Connection, name: str, seconds: int) -> None:
        # Such names are the whole server's, and have at most 64 characters.
        wanted = f"{self.url.database} {name}"
        key = f"jobreg {blake2b(wanted.encode(), digest_size=16).hexdigest()}"
        connection.info["jobreg_holds"] = True
        got = connection.exec_driver_sql(f"SELECT GET_LOCK('{key}', {seconds})").scalar()
        if got != 1:
            raise _lock_wait(name)

    def trouble(self, error: DBAPIError) -> Trouble:
        """What kind of trouble an error of PyMySQL tells of."""
        if isinstance(error, InterfaceError):  # the connection was closed under our hands
            return Trouble.AWAY
        number = _number(error.orig)
        kinds = (kind for kind, numbers in _TROUBLE.items() if number in numbers)
        kind = next(kinds, Trouble.AWAY if error.connection_invalidated else Trouble.OTHER)
        if number == _NOT_CONNECTED and "SSL" in str(error.orig):
            return Trouble.OPTIONS
        return Trouble.LARGE if kind is Trouble.AWAY and _size(error) > self.most else kind

    def told(self, error: DBAPIError) -> str:
        """The server's own sentence, without its number."""
        if self.trouble(error) is Trouble.LARGE:
            return (
                f"about {_size(error):,} bytes in one statement are more than its "
                f"max_allowed_packet of {self.most:,}"
            )
        arguments: tuple[Any, ...] = getattr(error.orig, "args", ())
        said = arguments[1] if len(arguments) > 1 else error.orig
        return database.one_line(str(said))


def _number(error: object) -> int | None:
    arguments = getattr(error, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def _size(error: DBAPIError) -> int:
    """Bytes of its statement, or of the largest where several were sent, rounded up.

    Of an outage under one that would just have fitted more is told than is so.
    """
    from pymysql.cursors import Cursor

    rows: Any = error.params or ()
    if not isinstance(rows, list):
        rows = [rows]
    texts = (map(str, row.values() if isinstance(row, dict) else row) for row in rows)
    sizes = [sum(_BESIDE + _escaped(text) for text in row) for row in texts]
    joined: int = min(sum(sizes), Cursor.max_stmt_length)  # PyMySQL makes one of many that insert
    return len(error.statement or "") + max(joined, *sizes, 0)


def _escaped(text: str) -> int:
    from pymysql.converters import escape_string

    return len(escape_string(text).encode(errors="replace"))


def _lock_wait(name: str) -> OperationalError:
    """The error the server has for a row, for a name."""
    import pymysql

    cause = pymysql.err.OperationalError(1205, f"Lock wait timeout exceeded for the name {name!r}")
    return OperationalError("GET_LOCK", None, cause)


def _let_go_of_names(engine: Engine) -> None:
    """Names outlive the transaction; what is committed can be seen before they are let go."""

    @event.listens_for(engine, "checkin")
    def let_go(connection: Any, record: Any) -> None:
        if record.info.pop("jobreg_holds", False) and connection is not None:
            try:
                with connection.cursor() as cursor:
                    cursor.execute("DO RELEASE_ALL_LOCKS()")
            except engine.dialect.loaded_dbapi.Error as error:
                record.invalidate(error)  # the names go with the connection


def _know_the_most(engine: Engine, database: MySQL) -> None:
    """The server closes the connection at a statement that is larger, mostly without a word."""

    @event.listens_for(engine, "connect")
    def ask(connection: Any, _: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@max_allowed_packet")
            [database.most] = cursor.fetchone()

    @event.listens_for(engine, "handle_error")
    def is_closed(context: Any) -> None:
        if _number(context.original_exception) in _TROUBLE[Trouble.LARGE]:
            context.is_disconnect = True  # or a ROLLBACK would fail in its place


def _check_version(engine: Engine) -> None:
    @event.listens_for(engine, "engine_connect", once=True)
    def check(connection: Connection) -> None:
        dialect: Any = engine.dialect
        name = "MariaDB" if dialect.is_mariadb else "MySQL"
        version = tuple(dialect.server_version_info)[:3]
        if version < _OLDEST[name]:
            told, oldest = (".".join(map(str, each)) for each in (version, _OLDEST[name]))
            raise StoreError(
                f"This store is on {name} {told}; jobreg needs {oldest} or later, for SKIP LOCKED."
            )
