"""Connections of the driver, lent to verbs that need nothing of SQLAlchemy: each to one at a time.

They are kept here, because SQLAlchemy's pool takes as long to lend one, and to take it back, as
SQLite takes to write a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from attrs import define
from sqlalchemy import Dialect

from .. import clock

MOST = 15
"""As many as a pool of SQLAlchemy lends."""
_PAUSE = 0.002


@define(eq=False)
class Lent:
    """A connection of the driver with a cursor on it, and when it was last lent.

    It goes back to its ``home``; one that has none is somebody's own.
    """

    connection: Any
    cursor: Any
    dialect: Dialect
    since: float
    home: list[Lent | None] | None
    closed: bool = False

    def execute(self, words: str, values: Any) -> Any:
        """Execute a statement with its values, and return the cursor."""
        self.dialect.do_execute(self.cursor, words, values)
        return self.cursor

    def execute_many(self, words: str, rows: Any) -> Any:
        """Execute a statement with each of these rows of values, and return the cursor."""
        self.dialect.do_executemany(self.cursor, words, rows)
        return self.cursor

    def close(self) -> None:
        """Let go of the connection."""
        self.closed = True
        with suppress(Exception):
            self.cursor.close()  # what it has not read to its end would outlive the connection
            self.connection.close()


class Lending:
    """The connections to one database. ``make`` makes one more, where all are in use."""

    def __init__(self, make: Callable[[], Any], dialect: Dialect) -> None:
        self._make = make
        self._dialect = dialect
        self._idle: list[Lent | None] = [None] * MOST

    def take(self, within: float) -> Lent | None:
        """The connection that came back last, or a new one; None where all stay in use."""
        home, ends = self._idle, 0.0
        while True:
            try:
                lent = home.pop()
                break
            except IndexError:
                now = clock.seconds()
            ends = ends or now + within
            if now > ends:
                return None
            time.sleep(_PAUSE)
        if lent is not None:
            return lent
        try:
            connection = self._make()
            cursor = connection.cursor()
            return Lent(connection, cursor, self._dialect, clock.seconds(), home)
        except BaseException:
            home.append(None)
            raise

    def give_back(self, lent: Lent) -> None:
        """Keep a connection for whoever comes next."""
        if lent.home is self._idle:
            self._idle.append(lent)
        elif lent.home is not None:
            lent.close()

    def drop(self, lent: Lent) -> None:
        """Close a connection in place of keeping it."""
        lent.close()
        if lent.home is not None:
            lent.home.append(None)

    def let_go(self, *, close: bool) -> None:
        """Forget all that are kept; those that are lent are closed when they come back."""
        idle, self._idle = self._idle, [None] * MOST
        for lent in idle:
            if close and lent is not None:
                lent.close()
