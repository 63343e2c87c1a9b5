"""In a child that many runs share: stdout and stderr, each line with the number of its run.

What does not go through ``sys.stdout`` and ``sys.stderr`` (C code, subprocesses) has no number.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TextIO

from .capture import Printed

NUMBER: ContextVar[int] = ContextVar("jobreg_number", default=0)
"""The number of the run that executes; 0 in none, as in a thread that a job has started."""

# A record must stay shorter than a pipe, in JSON of the widest characters as well.
_PIECE = 16 * 1024


class Numbered(io.BufferedIOBase):
    """The bytes under one of the two streams: whole lines become records of the run at hand."""

    def __init__(
        self, descriptor: int, stream: str, level: str, tell: Callable[..., None], lock: Any
    ) -> None:
        self._descriptor = descriptor
        self._told = stream, level
        self._tell = tell
        self._lines: dict[int, tuple[Printed, _Teller]] = {}
        self._lock = lock

    def text(self) -> TextIO:
        """The stream itself; it holds nothing back, so that no run gets another's words."""
        under: Any = self
        return io.TextIOWrapper(
            under, encoding="utf-8", errors="backslashreplace", write_through=True
        )

    def write(self, data: Any) -> int:
        """Take what the run at hand prints."""
        number, view = NUMBER.get(), memoryview(data).cast("B")
        with self._lock:
            if number not in self._lines:
                self._lines[number] = Printed(*self._told), _Teller(number, self._tell)
            printed, teller = self._lines[number]
            for first in range(0, len(view), _PIECE):
                printed.feed(bytes(view[first : first + _PIECE]), teller)
        return len(view)

    def end(self, number: int) -> None:
        """A run is over: tell its last line, which may lack its newline."""
        with self._lock:
            printed, teller = self._lines.pop(number, (None, None))
            if printed is not None and teller is not None:
                printed.end(teller)

    def writable(self) -> bool:
        """Say yes."""
        return True

    def fileno(self) -> int:
        """The descriptor that a subprocess may be given."""
        return self._descriptor

    def close(self) -> None:
        """Do nothing: neighbours print here too."""


class _Teller:
    """Writes the lines of one run as records."""

    full = False

    def __init__(self, number: int, tell: Callable[..., None]) -> None:
        self._number = number
        self._tell = tell

    def add(self, at: int, stream: str, level: str, logger: str | None, text: str) -> None:
        """Tell lines, joined by newlines."""
        self._tell(at, level, logger, text, self._number, stream)

    def skip(self, size: int) -> None:
        """Never called: this sink is never full."""
