"""Events as lines on a stream, those of one moment in one write."""

from __future__ import annotations

import contextlib
import logging
import select
import stat
import threading
import time
from collections.abc import Iterator
from os import fstat
from typing import TextIO

_PIECE = 4096
"""Characters, all of them ASCII: a pipe that takes anything takes so many at once (PIPE_BUF)."""
_PATIENCE = 1.0


class EventLog:
    """Writes each line behind its time and level, as the loggers of this command line do.

    Who reads the stream may stand still: a terminal at Ctrl-S, a log shipper that hangs. It is
    waited for once, for a second; then lines are left out until it reads again, and is told how
    many.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._second, self._stamp = -1, ""
        self._left_out = 0
        self._lock = threading.Lock()
        self._room = _room_of(stream)

    def write(self, level: int, lines: list[str]) -> None:
        """Write lines of one level now. A stream that takes nothing any more ends nobody's work."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            begin = self._begin(level)
            whole = [f"{begin}{line}\n" for line in lines]
            if self._left_out and self._takes():
                whole.insert(0, f"{begin}log.left_out lines={self._left_out}\n")
                self._left_out = 0
            for piece in ["".join(whole)] if self._room is None else _pieces(whole):
                if self._takes():
                    self._stream.write(piece)
                    self._stream.flush()
                else:
                    self._left_out += piece.count("\n")

    def _begin(self, level: int) -> str:
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        return f"{self._stamp},{int(now % 1 * 1000):03} {logging.getLevelName(level)} "

    def _takes(self) -> bool:
        if self._room is None:
            return True
        return bool(self._room.poll(0.0 if self._left_out else _PATIENCE * 1000))


def _room_of(stream: TextIO) -> select.poll | None:
    """What tells whether a stream takes more; None where it always does, or nobody can tell."""
    try:
        number = stream.fileno()
        if stat.S_ISREG(fstat(number).st_mode):
            return None
        room = select.poll()
        room.register(number, select.POLLOUT)
    except (OSError, ValueError, AttributeError):
        return None
    return room


def _pieces(lines: list[str]) -> Iterator[str]:
    """The lines, in order, as many together as a pipe takes at once."""
    held, size = list[str](), 0
    for line in lines:
        if held and size + len(line) > _PIECE:
            yield "".join(held)
            held, size = [], 0
        held.append(line)
        size += len(line)
    if held:
        yield "".join(held)
