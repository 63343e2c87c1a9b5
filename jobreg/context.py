"""``current_run()``: what a job may know and say of the run that executes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from datetime import datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any, Protocol

from . import clock
from .errors import BadInput, NotInRun
from .legible import brief
from .lifecycle import Claim, Progress

if TYPE_CHECKING:
    from .redaction import Redaction
    from .store.completion import Effect

MAX_MESSAGE = 4000
_EVERY = 0.1

_current: ContextVar[CurrentRun | None] = ContextVar("jobreg_current_run", default=None)


class Control(Protocol):
    """What passes between a run and the one who minds it."""

    @property
    def stopping(self) -> bool:
        """Is the worker about to end?"""

    @property
    def interrupt(self) -> str | None:
        """Why the run should end now: ``cancelled``, ``timeout``, ``released``; None if not."""

    @property
    def store_url(self) -> str:
        """The URL of the store that the run is in, with its password."""

    @property
    def max_result(self) -> int:
        """Bytes that a result may have."""

    def begin(self) -> None:
        """The job's own code starts now: limits count from here."""

    def end(self) -> None:
        """The job's own code is over."""


class CurrentRun:
    """The run that executes now. Get it with :func:`current_run`."""

    def __init__(
        self,
        claim: Claim,
        control: Control,
        report: Callable[[Progress], None],
        redaction: Redaction,
    ) -> None:
        self._claim = claim
        self._control = control
        self._report = report
        self._redaction = redaction
        self._said = -_EVERY
        self._limit = claim.options.timeout
        self._deadline: datetime | None = None
        self._begun: float | None = None
        self._token: Token[CurrentRun | None] | None = None
        self.latest: Progress | None = None

    @property
    def id(self) -> str:
        """The run's id, a UUID as text."""
        return self._claim.run_id

    @property
    def job_name(self) -> str:
        """The name the run was submitted under."""
        return self._claim.job_name

    @property
    def attempt(self) -> int:
        """The number of this attempt; it rises, with gaps."""
        return self._claim.attempt

    @property
    def fence(self) -> int:
        """A number to hand to outside systems: they can refuse one lower than they have seen."""
        return self._claim.attempt

    @property
    def deadline(self) -> datetime | None:
        """When this attempt is over its time (aware, UTC); None where it has no limit."""
        return self._deadline

    @property
    def cancelled(self) -> bool:
        """True once this run was told to end: it was cancelled, or is over its time."""
        return self._control.interrupt is not None

    @property
    def stopping(self) -> bool:
        """True once the worker is about to end: finish soon, or the run will be done again."""
        return self._control.stopping

    def transaction(self, connection: Any) -> AbstractContextManager[Effect]:
        """The job's own writes and the completion of this run, in one commit: both or neither.

        For effects in the database that the store is in. Where the block ends, the run is settled
        as succeeded on the same connection, under its fence, and the connection is committed; an
        error rolls it back. So the effect happens once, whatever dies when. What the job does
        after the block is not part of it: return at its end.

        Args:
            connection: a Connection or Session of SQLAlchemy, or a connection of the store's
                driver (psycopg, PyMySQL, sqlite3), to the worker's own store.

        Raises:
            LeaseLost: the run is not this worker's any more; nothing was written.
            BadInput: the connection is of another kind, or in autocommit mode.
            ResultRefused: the ``result`` that was set is one that JSON cannot hold.

        Example:
            >>> def book(account: int) -> None:
            ...     with engine.connect() as connection:
            ...         with jobreg.current_run().transaction(connection) as effect:
            ...             connection.execute(text("INSERT INTO bookings ..."))
            ...             effect.result = "booked"
        """
        from .store.completion import transaction

        began = clock.seconds() if self._begun is None else self._begun
        return transaction(
            self._control.store_url, connection, self._claim, began, self._control.max_result,
            lambda: self.latest,
        )  # fmt: skip

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Say how far the run has come.

        Cheap to call often: at most ten times a second it is passed on, and the last one always.

        Args:
            done: how much is done, in a unit of the job's own.
            total: how much there is in all; None where that is not known.
            message: a short text, cut at 4,000 characters.

        Raises:
            BadInput: done or total is not a finite number of at least 0.
        """
        for value in (done, 0 if total is None else total):
            if not _is_amount(value):
                told = brief(value, repr)
                raise BadInput(f"progress: {told} is not a finite number of at least 0.")
        text = None if message is None else self._redaction.text(str(message))[:MAX_MESSAGE]
        self.latest = Progress(done, total, text)
        now = clock.seconds()
        if now - self._said >= _EVERY:
            self._said = now
            self._report(self.latest)

    def begin(self) -> float:
        """The job's own code runs from now on, and ``current_run()`` gives this; when that is."""
        if self._limit is not None:
            self._deadline = clock.now() + timedelta(seconds=self._limit)
        self._token = _current.set(self)
        self._begun = clock.seconds()
        try:
            self._control.begin()
        except BaseException:
            self.end()
            raise
        return self._begun

    def end(self) -> None:
        """The job's own code is over."""
        self._control.end()
        assert self._token is not None
        _current.reset(self._token)


def current_run() -> CurrentRun:
    """The run that executes the calling job.

    Raises:
        NotInRun: no run executes here; a job called as a plain function is in none.

    Example:
        >>> import jobreg
        >>> jobreg.current_run()
        Traceback (most recent call last):
        ...
        jobreg.errors.NotInRun: current_run() was called outside a run. ...
    """
    run = _current.get()
    if run is None:
        raise NotInRun(
            "current_run() was called outside a run. Call it in a job, in the thread that runs it."
        )
    return run


def _is_amount(value: object) -> bool:
    """Is it a finite number of at least 0?"""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return value >= 0 and isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False
