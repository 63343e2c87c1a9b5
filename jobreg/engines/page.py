"""The page a child and its supervisor share: who is asked to end, and since when a job runs.

Three fields of plain memory, read and written without a message, so that a child deep in a C
call can be told something, and limits count from the moment the job's own code began.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile

from .. import clock
from ..lifecycle import Ending

_SIZE = 16
_SINCE = struct.Struct("q")
_ENDED = -1
_STOPPING, _INTERRUPT, _SINCE_AT = 0, 1, 8
_REASONS = (None, Ending.CANCELLED, Ending.TIMEOUT, Ending.RELEASED)


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

    @property
    def stopping(self) -> bool:
        """Is the worker about to end?"""
        return bool(self._memory[_STOPPING])

    def announce_stop(self) -> None:
        """Say that the worker is about to end."""
        self._memory[_STOPPING] = 1

    @property
    def interrupt(self) -> str | None:
        """Why the executing run should end now, as an attempt outcome; None if it should not."""
        return _REASONS[self._memory[_INTERRUPT]]

    def ask(self, why: Ending) -> None:
        """Ask the executing run to end; never taken back, its child dies with it."""
        self._memory[_INTERRUPT] = _REASONS.index(why)

    @property
    def since(self) -> float | None:
        """When the executing job's own code began, on the process clock; None while it does not."""
        (nanoseconds,) = _SINCE.unpack_from(self._memory, _SINCE_AT)
        return nanoseconds / 1e9 if nanoseconds > 0 else None

    @property
    def begun(self) -> bool:
        """Has the job's own code been entered since the claim was handed over?"""
        return bool(_SINCE.unpack_from(self._memory, _SINCE_AT)[0])

    def hand_over(self) -> None:
        """The child is idle and gets a claim: nothing has begun."""
        _SINCE.pack_into(self._memory, _SINCE_AT, 0)

    def begin(self) -> None:
        """The job's own code starts now."""
        _SINCE.pack_into(self._memory, _SINCE_AT, clock.nanoseconds())

    def end(self) -> None:
        """The job's own code is over; its result may yet take a while to arrive."""
        _SINCE.pack_into(self._memory, _SINCE_AT, _ENDED)

    def close(self) -> None:
        """Unmap the page."""
        self._memory.close()
