"""A poll that PostgreSQL cuts short with a word (LISTEN, NOTIFY).

On the connection that brought the word one can claim: its server process is awake, and it lives.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from .. import clock
from ..errors import StoreError
from . import statements
from .database import ANSWER_WITHIN, Database, Poll
from .lending import Lent


class Listener(Poll):
    """A poll that looks at once when told of a submit, on a connection of its own.

    What it is told is a hint: behind a pooler, or while the connection is lost, the poll goes on.
    Whether it is told at all it finds out by telling itself.
    """

    _AGAIN, _CONNECT_AGAIN = 10.0, 5.0

    def __init__(self, told: Database) -> None:
        super().__init__()
        self._database = told
        self._ear: Lent | None = None
        self._meanwhile: list[Any] = []
        self._own = f"jobreg {secrets.token_hex(8)}"
        self._sure = False
        self._tried = clock.seconds() - self._CONNECT_AGAIN

    def changed(self, busy: bool = True) -> bool:
        """Were we told, or is it time to look again?"""
        self.pairs = set()
        heard = self._heard()
        if self._sure and not busy:
            return heard
        due = super().changed(busy)
        if due:
            self.pairs = None
        return heard or due

    def pause(self, busy: bool = True) -> float:
        """Seconds until it is time to look again; who listens is told before."""
        return self._AGAIN if self._sure and not busy else super().pause(busy)

    def fileno(self) -> int | None:
        """The socket on which we are told."""
        # Closed: something else was asked on it, and went wrong.
        return None if self._ear is None or self._ear.closed else int(self._ear.connection.fileno())

    def _heard(self) -> bool:
        import psycopg

        try:
            if self._ear is None:
                return self._connect()
            told = self._ear.connection.pgconn
            told.consume_input()
            words = len(self._meanwhile)
            if words:
                self._meanwhile.clear()
                self.pairs = None
            while (word := told.notifies()) is not None:
                words += 1
                if word.relname == self._own.encode():
                    self._sure, self.lent = True, self._ear
                # In the encoding of the database; a place that is not read is looked for.
                self._note(word.extra.decode("utf-8", "replace"))
            return words > 0
        except (psycopg.Error, SQLAlchemyError, StoreError):
            self.close()
            self.pairs = None
            return True

    def _note(self, told: str) -> None:
        """Who submits one run says where it waits; all others say nothing."""
        queue, found, name = told.partition("\n")
        if not found:
            self.pairs = None
        elif self.pairs is not None:
            self.pairs.add((queue, name))

    def _connect(self) -> bool:
        if clock.seconds() - self._tried < self._CONNECT_AGAIN:
            return False
        self.pairs = None
        self._tried = clock.seconds()
        engine, made = self._database.engine, self._database.make_to_lend()
        self._ear = Lent(made, made.cursor(), engine.dialect, self._tried, home=None)
        self._database.bound(made, ANSWER_WITHIN)
        # What comes while something else is asked on it.
        made.add_notify_handler(self._meanwhile.append)
        for channel in (self._database.channel, self._own):
            made.execute(f'LISTEN "{channel}"')
        with engine.begin() as another:
            another.execute(statements.tell(self._own))
        return True  # what was said meanwhile was not heard

    def close(self) -> None:
        """Let go of the connection."""
        self._sure, self.lent = False, None
        self._meanwhile.clear()
        if self._ear is not None:
            self._ear.close()
            self._ear = None
