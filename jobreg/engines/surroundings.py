"""What a job may not leave changed for the next one: folder, signals, threads, processes."""

from __future__ import annotations

import os
import signal
import threading

# The one in C: that of the module signal makes an Enum of each answer, ten times as slow.
from _signal import getsignal
from collections.abc import Callable

_SIGNALS = tuple(
    int(number)
    for number in signal.valid_signals()
    if number not in (signal.SIGKILL, signal.SIGSTOP)
)


class Surroundings:
    """Remembers how they were; so many threads as ``own`` says are not a job's."""

    def __init__(self, own: Callable[[], int] = lambda: 0) -> None:
        self._own = own
        self._seen = self._now()

    def look(self) -> bool:
        """Have they changed since the last look?"""
        before, self._seen = self._seen, self._now()
        return before != self._seen

    def _now(self) -> tuple[object, ...]:
        try:
            folder: str | None = os.getcwd()
        except OSError:
            folder = None
        handlers = list(map(getsignal, _SIGNALS))
        return folder, handlers, threading.active_count() - self._own(), _has_subprocess()


def _has_subprocess() -> bool:
    """Has it a subprocess nobody waited for? What that prints would be taken for the next run's."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
