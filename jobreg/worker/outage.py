"""An outage of the store: told once, as its end is, and how long to wait between two tries."""

from __future__ import annotations

import random
import threading

from ..errors import StoreError
from ..events import emit

_BACKOFF = (0.1, 1.5)


def pause_after(failures: int) -> float:
    """Seconds to wait after so many failures in a row before the next try, with full jitter."""
    least, most = _BACKOFF
    return min(most, least * 2.0 ** min(failures, 10)) * random.random()


class Outage:
    """Knows who, of the threads of a worker, cannot reach the store at the moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # also over what is told: in the order in which it was
        self._failing: set[str] = set()
        self._failures = 0

    def met(self, who: str, error: StoreError) -> None:
        """The store could not do something for one of them."""
        with self._lock:
            first = not self._failing
            self._failing.add(who)
            self._failures += 1
            if first:
                emit("store.down", error=error)

    def passed(self, who: str) -> bool:
        """It could, for one of them; was it otherwise before?"""
        if who not in self._failing:
            return False
        with self._lock:
            self._failing.remove(who)
            if self._failing:
                return True
            failures, self._failures = self._failures, 0
            emit("store.up", after=failures)
        return True
