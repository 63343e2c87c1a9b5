"""The one door to process time.

Leases and limits are counted on a clock that nobody can set. Where the system has a boot-time
clock we take it, because it goes on while the machine is suspended: a lease runs out in the
database meanwhile, and so it must here (Linux clock_gettime(2), CLOCK_BOOTTIME).

A test may hold time for the code that it calls (:func:`holding`); other threads go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_held: ContextVar[Callable[[], int] | None] = ContextVar("jobreg_clock", default=None)


def seconds() -> float:
    """Seconds since some fixed moment; the same moment for every process of this machine."""
    held = _held.get()
    return time.clock_gettime(_CLOCK) if held is None else held() / 1_000_000


def nanoseconds() -> int:
    """The same clock as :func:`seconds`, in whole nanoseconds."""
    held = _held.get()
    return time.clock_gettime_ns(_CLOCK) if held is None else held() * 1000


def now() -> datetime:
    """The time of day, aware, in UTC. For people to read: it may be set, and jump."""
    held = _held.get()
    return datetime.now(UTC) if held is None else moment(held())


def moment(microseconds: int) -> datetime:
    """Microseconds since 1970 as a moment, aware, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


@contextmanager
def holding(read: Callable[[], int]) -> Iterator[None]:
    """Let ``read`` (microseconds since 1970) be the clock of this thread for a while."""
    token = _held.set(read)
    try:
        yield
    finally:
        _held.reset(token)
