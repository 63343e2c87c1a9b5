"""A connection of the caller's: what is stored on it belongs to the caller's own transaction.

It is never committed, rolled back nor closed here. What we do is inside a savepoint, so that an
error leaves the caller's transaction as it was.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from threading import local
from typing import Any

from sqlalchemy import Connection, Engine, NullPool

from ..errors import BadInput
from . import forking
from .database import Database

_WAY_OUT = "Begin one first, or turn autocommit off."


class Borrowed:
    """Connections that callers lend to one database's verbs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lent = local()
        self._engine: Engine | None = None

    @contextmanager
    def use(self, given: object) -> Iterator[Connection]:
        """Do something inside a savepoint of the caller's transaction, which is begun if it is not.

        ``given`` is a Connection or Session of SQLAlchemy, or a connection of the store's driver.

        Raises:
            BadInput: it is none of these, is closed, is of another kind of database, or is in
                autocommit mode, where there is no transaction to join.
        """
        connection = _of_sqlalchemy(given)
        if connection is None:
            self._check_driver(given)
            self._lent.connection = given
            try:
                with (
                    forking.inside(),
                    self._plain().connect() as connection,
                    self._inside(connection),
                ):
                    yield connection
            finally:
                del self._lent.connection
            return
        mine, theirs = self._database.engine.dialect.name, connection.dialect.name
        if mine != theirs and {mine, theirs} != {"mysql", "mariadb"}:
            raise BadInput(
                f"connection: it is one to {theirs}, and the store is {mine}. Give a connection "
                "to the store's own database."
            )
        with forking.inside(), self._inside(connection):
            yield connection

    @contextmanager
    def _inside(self, connection: Connection) -> Iterator[None]:
        if not connection.in_transaction():
            _refuse_autocommit(connection.connection.driver_connection)
            connection.begin()
        driver = connection.connection.driver_connection
        # The driver of SQLite would take a savepoint for a transaction, and its end for the end.
        if not getattr(driver, "in_transaction", True):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        before = connection.get_execution_options().get("schema_translate_map")
        schema = self._database.schema
        if schema is not None:
            connection.execution_options(schema_translate_map={None: schema})
        try:
            with connection.begin_nested():
                yield
        finally:
            if schema is not None:
                connection.execution_options(schema_translate_map=before)

    def _check_driver(self, given: object) -> None:
        dbapi = self._database.engine.dialect.dbapi
        kinds = (getattr(dbapi, "Connection", None), getattr(dbapi, "connections", None))
        kind = kinds[0] if isinstance(kinds[0], type) else getattr(kinds[1], "Connection", None)
        if kind is None or not isinstance(given, kind):
            raise BadInput(
                f"connection: a {type(given).__name__} is neither a Connection or Session of "
                f"SQLAlchemy nor a connection of {getattr(dbapi, '__name__', 'the driver')}, the "
                "driver of this store. With asyncio use jobreg.AsyncClient."
            )
        if getattr(given, "closed", False) or getattr(given, "open", True) is False:
            raise BadInput("connection: it is closed.")
        try:
            getattr(given, "total_changes", 0)  # that of SQLite says in no other way what is wrong
        except self._database.errors as error:
            raise BadInput(f"connection: {error}") from error
        _refuse_autocommit(given)

    def _plain(self) -> Engine:
        """An engine on whatever connection of the driver is lent, which it leaves as it is."""
        if self._engine is None:
            dialect = copy(self._database.engine.dialect)
            for name in ("do_commit", "do_rollback", "do_close", "do_terminate"):
                setattr(dialect, name, _nothing)
            pool = NullPool(lambda: self._lent.connection, reset_on_return=None, dialect=dialect)
            self._engine = Engine(pool, dialect, self._database.url)
        return self._engine


def _nothing(_: Any) -> None:
    pass


def _of_sqlalchemy(given: object) -> Connection | None:
    if isinstance(given, Connection):
        if given.closed:
            raise BadInput("connection: it is closed.")
        return given
    orm = sys.modules.get("sqlalchemy.orm")
    if orm is not None and isinstance(given, orm.Session | orm.scoped_session):
        made = given.connection()
        assert isinstance(made, Connection)
        return made
    return None


def _refuse_autocommit(driver: Any) -> None:
    """Refuse a connection on which everything is committed at once, unless it is in a transaction.

    As the drivers tell of it: psycopg, sqlite3, PyMySQL; of others nothing is known.
    """
    status = getattr(getattr(driver, "info", None), "transaction_status", None)
    if status is not None:
        alone = driver.autocommit and status == 0
    elif hasattr(driver, "get_autocommit"):
        alone = driver.get_autocommit() and not driver.server_status & 1
    elif hasattr(driver, "in_transaction"):
        alone = driver.isolation_level is None and not driver.in_transaction
    else:
        alone = False
    if alone:
        raise BadInput(f"connection: it is in autocommit mode, and in no transaction. {_WAY_OUT}")
