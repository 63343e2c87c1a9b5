"""Transactions: begun, ended, told what went wrong with them, and done anew where that helps."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

from .. import failpoints
from ..errors import StoreError, StoreUnavailable
from . import forking, urls
from .database import ANSWER_WITHIN, READ_WITHIN, Database, Trouble
from .lending import Lent

T = TypeVar("T")
Verb = TypeVar("Verb", bound=Callable[..., Any])

_TRIES = 10
_PAUSE = 0.02
_AWAY = frozenset((Trouble.AWAY, Trouble.CROWDED, Trouble.OPTIONS))
_NO_WAIT_HELPS = frozenset(
    (Trouble.OTHER, Trouble.SCHEMA, Trouble.NOWHERE, Trouble.BROKEN, Trouble.LARGE)
)


class Undone(StoreUnavailable):
    """The database took this transaction back for the sake of another."""


class Unanswered(StoreUnavailable):
    """The connection was lost after COMMIT was sent: it may be done, or not."""


class Transactions:
    """One database, and transactions on it. Made anew in a forked child."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.engine = database.engine
        self._pid = os.getpid()

    @property
    def url(self) -> str:
        """The URL of the database, without its password."""
        return urls.shown(self.database.url)

    @property
    def full_url(self) -> str:
        """The URL of the database with its password, for processes of our own."""
        return urls.written(self.database.url)

    def close(self) -> None:
        """Let go of the pooled connections."""
        with forking.inside():
            self.database.let_go()

    def reading(self, within: float = READ_WITHIN) -> AbstractContextManager[Connection]:
        """A transaction that only reads, and waits so many seconds for each answer."""
        return self._transaction(reading=True, within=within)

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that writes."""
        return self._transaction()

    @contextmanager
    def _transaction(
        self, *, reading: bool = False, within: float | None = None
    ) -> Iterator[Connection]:
        if os.getpid() != self._pid:
            self._leave_those_of_the_parent()
        committing, entered = False, forking.enter()
        try:
            engine = self.database.reader if reading else self.engine
            with engine.connect() as connection:
                within = within or (READ_WITHIN if reading else ANSWER_WITHIN)
                self.database.bound(connection.connection.dbapi_connection, within)
                if reading:
                    connection = connection.execution_options(jobreg_reading=True)
                with connection.begin():
                    yield connection
                    committing = not reading
                    if committing:
                        failpoints.commit("before")
                if committing:
                    failpoints.commit("after")
        except DBAPIError as error:
            self._let_go_of_the_dead(error)
            raise self._told(error, committing) from error
        except PoolTimeout as error:
            raise self._all_in_use() from error
        finally:
            forking.leave(entered)

    def _at_once(
        self,
        do: Callable[..., T],
        *arguments: Any,
        reading: bool = False,
        ping: bool = True,
        by: Lent | None = None,
    ) -> T:
        """Do a verb that is written, and commits, in the driver's words: ``do(lent, *arguments)``.

        An answer that is lost there is the one to its COMMIT, unless it was ``reading``. ``ping``:
        see :meth:`.database.Database.lend`. ``by`` is a connection of the caller's own, in place
        of one that is lent for it; after an error it is closed.
        """
        if os.getpid() != self._pid:
            self._leave_those_of_the_parent()
        lent, entered = None if by is None or by.closed else by, forking.enter()
        try:
            if lent is None:
                lent = self.database.lend(ping=ping and not reading)
            if lent is None:
                raise self._all_in_use()
            done = do(lent, *arguments)
        except PoolTimeout as error:
            raise self._all_in_use() from error
        except self.database.errors as error:
            wrapped = self.database.wrapped(error, lent and lent.connection)
            if lent is not None:
                self.database.lending.drop(lent)
            self._let_go_of_the_dead(wrapped)
            raise self._told(wrapped, committing=lent is not None and not reading) from wrapped
        except BaseException:
            if lent is not None:  # nobody knows in what it was interrupted
                self.database.lending.drop(lent)
            raise
        else:
            self.database.lending.give_back(lent)
            return done
        finally:
            forking.leave(entered)

    def _let_go_of_the_dead(self, error: DBAPIError) -> None:
        if error.connection_invalidated:
            self.database.let_go()  # the others may be as dead

    def _leave_those_of_the_parent(self) -> None:
        # The parent's connections stay the parent's: drop them here without closing them.
        self.database.let_go(close=False)
        self._pid = os.getpid()

    def _all_in_use(self) -> StoreError:
        return StoreUnavailable(
            f"All connections of this process to the store {self.url} are in use. "
            "Use fewer threads at a time, or a client in each."
        )

    def _told(self, error: DBAPIError, committing: bool = False) -> StoreError:
        """The error for callers, on one line: what happened, where, what to do."""
        trouble = self.database.trouble(error)
        away = trouble in _AWAY
        cannot = "cannot be reached" if away else "cannot do this"
        hint = self.database.hint(trouble)
        message = f"The store {self.url} {cannot}: {self.database.told(error)}. {hint}".rstrip()
        if trouble in _NO_WAIT_HELPS:
            return StoreError(message)
        if trouble is Trouble.UNDONE:
            return Undone(message)
        lost = away and committing and not self.database.has_answered(error)
        unavailable = (Unanswered if lost else StoreUnavailable)(message)
        unavailable.locked = trouble is Trouble.LOCKED and self.database.locks_rows
        return unavailable


def again(verb: Verb) -> Verb:
    """Do a verb anew as :func:`tried_again` does, and tell callers what may have happened.

    Classes of ours say what became of a transaction; callers are told by public ones.
    """
    tried = tried_again(verb)

    @wraps(verb)
    def done(*arguments: Any, **options: Any) -> Any:
        try:
            return tried(*arguments, **options)
        except Unanswered as error:
            raise StoreUnavailable(
                f"{error} Whether it was done all the same is not known: look, and ask again "
                "where it was not."
            ) from error

    return cast(Verb, done)


def tried_again(verb: Verb) -> Verb:
    """Do a verb anew where the database took it back for another transaction's sake.

    Each verb is one transaction, so nothing of it is left, or may be done twice. The pause has no
    pattern: whoever stood in each other's way must not do so again.
    """

    name = verb.__name__.strip("_")

    @wraps(verb)
    def done(*arguments: Any, **options: Any) -> Any:
        before = failpoints.begin(name)
        try:
            for number in range(_TRIES):
                try:
                    return verb(*arguments, **options)
                except Undone:
                    time.sleep(_PAUSE * (number + 1) * random.random())
            try:
                return verb(*arguments, **options)
            except Undone as error:
                raise StoreUnavailable(str(error)) from error
        finally:
            failpoints.begin(before)

    return cast(Verb, done)
