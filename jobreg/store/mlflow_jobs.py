"""The ``jobs`` table of an MLflow backend database, as rows. Nothing is ever written there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, column, create_engine, event, inspect, select, table
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..errors import BadInput, StoreError
from . import urls
from .database import driver, one_line

SLICE = 500
"""Rows read at a time."""

_COLUMNS = (
    "id", "creation_time", "params", "timeout", "status", "result", "retry_count",
    "last_update_time",
)  # fmt: skip
_NAMES = ("job_name", "function_fullname")


class Jobs:
    """The ``jobs`` table behind a database URL, opened to be read only.

    Raises:
        BadInput: the URL cannot be used, or there is no such table behind it.
        StoreError: the database cannot be read, or its driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self._engine, self.url = _open(url)
        try:
            found = inspect(self._engine)
            there = (
                {each["name"] for each in found.get_columns("jobs")}
                if (found.has_table("jobs"))
                else set[str]()
            )
        except SQLAlchemyError as error:
            raise self._told(error) from error
        name = next((each for each in _NAMES if each in there), None)
        missing = [each for each in _COLUMNS if each not in there]
        if not there or name is None or missing:
            lacks = ", ".join(missing + ([] if name else [" or ".join(_NAMES)]))
            raise BadInput(
                f"{self.url} is not a backend database of MLflow 3: "
                + (f"its table jobs lacks {lacks}." if there else "it has no table jobs.")
                + " Name the database that MLflow's --backend-store-uri names."
            )
        self._table = table("jobs", *(column(each) for each in (*_COLUMNS, name)))
        self._name = self._table.c[name]

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    def _told(self, error: SQLAlchemyError) -> StoreError:
        said = error.orig if isinstance(error, DBAPIError) else error
        return StoreError(
            f"The MLflow database {self.url} cannot be read: {one_line(str(said))}. "
            "Check the URL, and that its user may read there."
        )

    def _rows(self, statement: Any) -> list[Any]:
        try:
            with self._engine.connect() as connection:
                return list(connection.execute(statement))
        except SQLAlchemyError as error:
            raise self._told(error) from error

    def slices(self) -> Iterator[list[Mapping[str, Any]]]:
        """All rows, the oldest first, some at a time; the name of each is its ``name``.

        Behind them come those that cannot be asked for by their ids: ``id`` and ``name`` alone.
        """
        c = self._table.c
        found = [row.id for row in self._rows(select(c.id).order_by(c.creation_time, c.id))]
        ids = [each for each in found if _can_be_asked_for(each)]
        wanted = select(*(c[each] for each in _COLUMNS), self._name.label("name"))
        for first in range(0, len(ids), SLICE):
            some = ids[first : first + SLICE]
            rows = {row.id: row._mapping for row in self._rows(wanted.where(c.id.in_(some)))}
            yield [rows[each] for each in some if each in rows]
        if len(ids) < len(found):
            named = self._rows(select(c.id, self._name.label("name")))
            yield [row._mapping for row in named if not _can_be_asked_for(row.id)]


def is_utf8(value: Any) -> bool:
    """False for what SQLite holds as text and is none: half characters stand for its bytes."""
    try:
        if isinstance(value, str):
            value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _can_be_asked_for(id: Any) -> bool:
    return id is not None and is_utf8(id)


def _open(url: str) -> tuple[Engine, str]:
    """An engine whose connections can only read, and the URL for people."""
    parsed = urls.read(url, "database URL", "sqlite:////srv/mlflow.db")
    kind, shown = parsed.get_backend_name(), urls.shown(parsed)
    if kind == "sqlite" and parsed.database:
        read_only = parsed.set(
            drivername="sqlite", database=f"file:{quote(parsed.database)}",
            query={"mode": "ro", "uri": "true"},
        )  # fmt: skip
        engine = create_engine(read_only)
        event.listen(engine, "connect", _take_any_text)
        return engine, shown
    if kind == "postgresql":
        driver("psycopg", "postgres")
        asked = " ".join((*_all(parsed, "options"), "-c default_transaction_read_only=on"))
        return _server(parsed.set(drivername="postgresql+psycopg"), options=asked), shown
    if kind in ("mysql", "mariadb"):
        driver("pymysql", "mysql")
        engine = _server(parsed.set(drivername="mysql+pymysql"))
        event.listen(engine, "connect", _only_read)
        return engine, shown
    raise BadInput(
        f"{shown[:200]!r} cannot be read here: give a URL of the MLflow database that begins with "
        "sqlite:///, postgresql:// or mysql://."
    )


def _server(url: URL, **ours: str) -> Engine:
    """An engine; what the URL says of a connection stands, but for what is ``ours``."""
    waits = {} if "connect_timeout" in url.query else {"connect_timeout": 10}
    return create_engine(url, connect_args={**waits, **ours})


def _all(url: URL, name: str) -> tuple[str, ...]:
    """Each value of an option of a URL."""
    said = url.query.get(name, ())
    return (said,) if isinstance(said, str) else said


def _take_any_text(connection: Any, _: object) -> None:
    # One text that is not UTF-8 would fail the whole answer, and the message names no row.
    connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")


def _only_read(connection: Any, _: object) -> None:
    # Not as init_command: that is one statement, and the URL may have its own.
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
