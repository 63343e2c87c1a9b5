"""The page a child and its supervisor share: which run executes, since when, who is to end.

A few numbers in plain memory, read and written without a message, so that a child deep in a C
call can be told something, limits count from the moment the job's own code began, and a run that
was handed over and has not begun can be called back (docs/decisions/0023-runs-in-batches.md).

Runs are numbered as they are handed to a child, from 1.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial

from .. import clock
from ..lifecycle import Ending

_FIELDS = (
    "stopping", "interrupt", "interrupted", "since", "taken", "recalled", "beside", "reading",
    "stdout", "stderr", "records",
)  # fmt: skip
_STOPPING, _INTERRUPT, _INTERRUPTED, _SINCE, _TAKEN, _RECALLED, _BESIDE, _READING, _READ = range(9)
_SIZE = 8 * len(_FIELDS)
_ENDED = -1
_REASONS = (None, Ending.CANCELLED, Ending.TIMEOUT, Ending.RELEASED)
# Seconds after which what one process has written is seen by the other, many times over.
_SEEN = 0.0005


def make_file() -> int:
    """A file without a name, to be shared; the caller closes the descriptor."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("jobreg-page", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, _SIZE)
    return descriptor


class Page:
    """One mapping of the shared file; the other side has its own."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, _SIZE)
        self._numbers = memoryview(self._memory).cast("q")

    # the worker is about to end

    @property
    def stopping(self) -> bool:
        """Is the worker about to end?"""
        return bool(self._numbers[_STOPPING])

    def announce_stop(self) -> None:
        """Say that the worker is about to end."""
        self._numbers[_STOPPING] = 1

    # one run is to end

    @property
    def interrupt(self) -> str | None:
        """Why the run taken last should end now, as an attempt outcome; None if it should not."""
        if self._numbers[_INTERRUPTED] != self._numbers[_TAKEN]:
            return None
        return _REASONS[self._numbers[_INTERRUPT]]

    def ask(self, number: int, why: Ending) -> None:
        """Ask a run to end; never taken back, its child dies with it."""
        self._numbers[_INTERRUPT] = _REASONS.index(why)
        self._numbers[_INTERRUPTED] = number

    # which run executes

    @property
    def taken(self) -> int:
        """The number of the run that the child has taken up last; 0 before the first."""
        return self._numbers[_TAKEN]

    def take(self, number: int) -> bool:
        """Take up a run, in the child; False where it was called back and must not begin."""
        self._numbers[_SINCE] = 0
        self._numbers[_TAKEN] = number
        return number > self._numbers[_RECALLED]

    def recall(self, last: int) -> int:
        """Call back the runs up to this number; the number of the last that was taken up.

        Those after it never begin. The one taken up last does, or its child gives it back: it
        had either not read our word when it took it, and then we see by now that it did.
        """
        self._numbers[_RECALLED] = last
        time.sleep(_SEEN)
        return self._numbers[_TAKEN]

    @property
    def since(self) -> float | None:
        """When the job's own code began, on the process clock; None while it does not execute."""
        nanoseconds = self._numbers[_SINCE]
        return nanoseconds / 1e9 if nanoseconds > 0 else None

    @property
    def begun(self) -> bool:
        """Has the job's own code been entered since its run was taken up?"""
        return self._numbers[_SINCE] != 0

    def begin(self) -> None:
        """The job's own code starts now."""
        self._numbers[_SINCE] = clock.nanoseconds()

    def end(self) -> None:
        """The job's own code is over; its result may yet take a while to arrive."""
        self._numbers[_SINCE] = _ENDED

    # which run an event loop is at

    def stepper(self) -> tuple[Callable[[int], None], Callable[[int], None]]:
        """What notes whose step begins (0: nobody's), and what, how many threads are beside it.

        Both without a frame of Python's: a signal that comes while such a one is on the stack
        finds the run that was noted, or the one before, and none half noted.
        """
        note = self._numbers.__setitem__
        return partial(note, _TAKEN), partial(note, _BESIDE)

    @property
    def beside(self) -> bool:
        """Was another thread at work in the child when the last step began?"""
        return self._numbers[_BESIDE] > 0

    # how much of the child's output was read

    def reading(self) -> None:
        """The supervisor is about to read of the child's output."""
        self._numbers[_READING] += 1

    def has_read(self, which: int, size: int) -> None:
        """So many bytes of one pipe, or none, were read since :meth:`reading`."""
        self._numbers[_READ + which] += size
        self._numbers[_READING] += 1

    @property
    def reads(self) -> int:
        """The first number of :meth:`was_read`."""
        return self._numbers[_READING]

    def was_read(self) -> list[int]:
        """A number that is odd while the supervisor reads and changes when it did; then bytes
        read of stdout, stderr and the records.
        """
        return self._numbers[_READING:].tolist()

    def close(self) -> None:
        """Unmap the page."""
        self._numbers.release()
        self._memory.close()
