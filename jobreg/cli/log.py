"""Events as lines on a stream, those of one moment in one write."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TextIO


class EventLog:
    """Writes each line behind its time and level, as the loggers of this command line do."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._second, self._stamp = -1, ""
        self._lock = threading.Lock()

    def write(self, level: int, lines: list[str]) -> None:
        """Write lines of one level now. A stream that takes nothing any more ends nobody's work."""
        now = time.time()
        with self._lock, contextlib.suppress(OSError, ValueError):
            if int(now) != self._second:
                self._second = int(now)
                self._stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
            begin = f"{self._stamp},{int(now % 1 * 1000):03} {logging.getLevelName(level)} "
            self._stream.write("".join([f"{begin}{line}\n" for line in lines]))
            self._stream.flush()
