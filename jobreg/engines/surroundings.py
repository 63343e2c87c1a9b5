"""What a job may not leave changed for the next: folder, umask, signals, threads, processes..."""

from __future__ import annotations

import os
import signal
import sys
import threading

# Those in C: that of the module signal makes an Enum of each answer, ten times as slow; this
# count has the threads as well that the module threading did not start.
from _signal import ITIMER_REAL, SIG_BLOCK, getitimer, getsignal, pthread_sigmask
from _thread import _count as count_threads
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..runner import imported

_TRACKERS = ("multiprocess.resource_tracker", "multiprocessing.resource_tracker")
_SIGNALS = tuple(
    int(number)
    for number in signal.valid_signals()
    if number not in (signal.SIGKILL, signal.SIGSTOP)
)
_NO_ALARM = 0.0, 0.0
_NARROW = 0o77
"""A umask, for as long as it takes to learn what it was: no file is open to more than before."""


_ENVIRON = os.environ


class Variables:
    """The environment of a job's code, which is put back when it is over.

    What its module sets when it is imported stays. To replace the child would cost each run of a
    job a child, where a library that it imports late sets a variable.
    """

    def __init__(self) -> None:
        self._kept: dict[bytes, bytes] = {}
        self._imported = -1

    def note(self) -> None:
        """Job code begins: so it is. Between runs only the import of a job's module changes it."""
        if self._imported != imported():
            self._imported, self._kept = imported(), dict(self._now())

    def put_back(self) -> bool:
        """Job code is over: so it was. Was it changed, perhaps by an import beside the run?"""
        vars(os)["environ"] = _ENVIRON  # a job may have put another mapping in its place
        now = self._now()
        if now == self._kept:
            return False
        for key in now.keys() - self._kept.keys():
            del _ENVIRON[os.fsdecode(key)]
        for key, value in self._kept.items():
            if now.get(key) != value:
                _ENVIRON[os.fsdecode(key)] = os.fsdecode(value)
        return self._imported != imported()

    def _now(self) -> dict[bytes, bytes]:
        # As Python keeps it: to decode all of it takes as long as a short run.
        found: dict[bytes, bytes] = vars(_ENVIRON)["_data"]
        return found


class Surroundings:
    """Remembers how they were. So many threads as ``own`` says are not a job's, but run jobs."""

    def __init__(self, own: Callable[[], int] | None = None) -> None:
        self._own = own
        self._children = None if own else _children_of_this_thread()
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
        signals = list(map(getsignal, _SIGNALS)), pthread_sigmask(SIG_BLOCK, ())
        alarm = getitimer(ITIMER_REAL) != _NO_ALARM
        threads = count_threads() - (self._own() if self._own else 0)
        mask = os.umask(_NARROW)
        os.umask(mask)
        return folder, mask, signals, alarm, threads, self._has_subprocess()

    def _has_subprocess(self) -> bool:
        """Has it one nobody waited for? What that prints would be taken for the next run's."""
        if self._children is None:
            return _waits_for_one() and not _all_are_trackers(_children_of_all_threads())
        try:
            found = os.pread(self._children, 4096, 0)
        except OSError:  # the job closed what it did not open
            return True
        return bool(found) and not _all_are_trackers(found)


def _children_of_this_thread() -> int | None:
    """A file that lists the subprocesses of this thread; None where the system has none such.

    Those of a thread that has ended are another's, and one that has not is seen as a thread: where
    jobs run in this thread alone, none is missed.
    """
    try:
        name = f"/proc/self/task/{threading.get_native_id()}/children"
        return os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _children_of_all_threads() -> bytes:
    """Their process ids; nothing where the system does not tell."""
    told = b""
    for file in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended; others have its subprocesses now
            told += b" " + file.read_bytes()
    return told


def _all_are_trackers(told: bytes) -> bool:
    """Is each of these subprocesses one that only keeps count of what jobs share with others?

    Python starts it at the first semaphore or shared memory, and it serves all jobs that follow.
    """
    found = (getattr(sys.modules.get(name), "_resource_tracker", None) for name in _TRACKERS)
    trackers = {str(getattr(each, "_pid", None)).encode() for each in found}
    pids = set(told.split())
    return bool(pids) and pids <= trackers


def _waits_for_one() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
