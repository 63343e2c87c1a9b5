"""Events as lines on a stream, those of one moment in one write."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import stat
import threading
import time
from collections.abc import Callable
from typing import TextIO

from .. import clock

_PATIENCE = 1.0


def hush_driver() -> None:
    """Let the driver of PostgreSQL say no more than errors: an outage is told by us, and once."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)


class EventLog:
    """Writes each line behind its time and level, as the loggers of this command line do.

    Who reads the stream may stand still: a terminal at Ctrl-S, a log shipper that hangs. It is
    waited for once, for a second; then lines are left out until it reads again, and is told how
    many.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._second, self._stamp = -1, ""
        self._rest, self._left_out = b"", 0
        self._lock = threading.Lock()
        self._send, number = _sender(stream)
        self._room = select.poll()
        if self._send is not None:
            self._room.register(number, select.POLLOUT)

    def write(self, level: int, lines: list[str]) -> None:
        """Write lines of one level now. A stream that takes nothing any more ends nobody's work."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            begin = self._begin(level)
            text = "".join([f"{begin}{line}\n" for line in lines])
            if self._send is None:
                self._stream.write(text)
                self._stream.flush()
            elif self._has_caught_up(begin):
                self._left_out = self._put(text.encode("ascii", "backslashreplace"))
            else:
                self._left_out += len(lines)

    def _begin(self, level: int) -> str:
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        return f"{self._stamp},{int(now % 1 * 1000):03} {logging.getLevelName(level)} "

    def _has_caught_up(self, begin: str) -> bool:
        """Is the line ended that was begun, and told how many were left out?"""
        if self._rest:
            self._rest = self._rest[self._written(self._rest) :]
        if self._left_out and not self._rest:
            told = f"{begin}log.left_out lines={self._left_out}\n"
            if self._put(told.encode()):
                return False
            self._left_out = 0
        return not self._rest

    def _put(self, data: bytes) -> int:
        """Write lines; how many were not. Of one that was begun the rest is for the next time."""
        done = whole = self._written(data)
        if data[:done] and not data[:done].endswith(b"\n"):
            whole = data.index(b"\n", done) + 1
        self._rest = data[done:whole]
        return data.count(b"\n", whole)

    def _written(self, data: bytes) -> int:
        """How much of it could be written, in no time where somebody was waited for before."""
        assert self._send is not None
        behind = self._rest or self._left_out
        ends, done = clock.seconds() + (0.0 if behind else _PATIENCE), 0
        while done < len(data):
            try:
                done += self._send(data[done:])
            except BlockingIOError:
                left = ends - clock.seconds()
                if left <= 0.0 or not self._room.poll(left * 1000):
                    break
        return done


def _sender(stream: TextIO) -> tuple[Callable[[bytes], int] | None, int]:
    """What writes to a stream as much as it takes at once, and to which descriptor.

    None where it takes all, as files do, or where there is no such way. To set the descriptor
    itself to it would set it for all processes that have the stream.
    """
    try:
        number = stream.fileno()
        mode = os.fstat(number).st_mode
        if stat.S_ISSOCK(mode):
            with socket.socket(fileno=os.dup(number)) as found:
                sock = found.dup()
            return lambda data: sock.send(data, socket.MSG_DONTWAIT), sock.fileno()
        if stat.S_ISREG(mode):
            return None, -1
        # Opened anew, it is one of our own (Linux).
        own = os.open(f"/proc/self/fd/{number}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError, AttributeError):
        return None, -1
    return lambda data: os.write(own, data), own
