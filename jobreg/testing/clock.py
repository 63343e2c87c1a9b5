"""A clock that stands still until a test moves it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from .. import clock
from ..options import Duration, seconds

_held: list[FakeClock] = []


class FakeClock:
    """The clock of runs that are executed inline: of their store, and of the runs themselves.

    It begins at the time it is and stands still, so a run takes no time unless it moves the
    clock. What jobs ask elsewhere, ``time.time()`` for example, goes on as ever.

    Example:
        >>> import jobreg.testing
        >>> with jobreg.testing.inline() as jobs:
        ...     begun = jobs.clock.now
        ...     jobs.clock.advance("5m")
        ...     print(jobs.clock.now - begun)
        0:05:00
    """

    def __init__(self, advance_to: Callable[[int], None]) -> None:
        self._advance_to = advance_to
        self._now = time.time_ns() // 1000

    @property
    def now(self) -> datetime:
        """What time it is: aware, in UTC."""
        return clock.moment(self._now)

    def advance(self, by: Duration) -> None:
        """Move the clock forward, by seconds or ``"90s"``, ``"5m"``, ``"2h"``, ``"1d"``.

        Inline, what comes due on the way is executed, each run at its own time. Called by a job,
        or where submits are only stored, it moves the clock and nothing else.

        Raises:
            BadInput: that is no duration, or a negative one.
        """
        self._advance_to(self._now + round(seconds(by, "advance") * 1_000_000))

    def microseconds(self) -> int:
        """The time in microseconds since 1970."""
        return self._now

    def set(self, microseconds: int) -> None:
        """Let it be that late; never earlier than it is."""
        self._now = max(self._now, microseconds)

    def hold(self) -> Callable[[], None]:
        """Be the clock that :func:`read` reads, until the function returned is called."""
        _held.append(self)
        return lambda: _held.remove(self)


def read() -> int:
    """Microseconds since 1970 by the clock held last.

    One function for all stores: what is built for a clock, every statement, is built once.
    """
    return _held[-1].microseconds() if _held else time.time_ns() // 1000
