"""The one door to process time.

Leases and limits are counted on a clock that nobody can set. Where the system has a boot-time
clock we take it, because it goes on while the machine is suspended: a lease runs out in the
database meanwhile, and so it must here (Linux clock_gettime(2), CLOCK_BOOTTIME).
"""

from __future__ import annotations

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def seconds() -> float:
    """Seconds since some fixed moment; the same moment for every process of this machine."""
    return time.clock_gettime(_CLOCK)


def nanoseconds() -> int:
    """The same clock as :func:`seconds`, in whole nanoseconds."""
    return time.clock_gettime_ns(_CLOCK)
