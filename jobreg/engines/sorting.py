"""What the runs of a shared child print and log, sorted by their numbers.

What Python prints and logs comes as records with the number of its run (:mod:`.numbered`). Bytes
without one, of C code or a subprocess, are a run's while it is the only one that has begun;
otherwise nobody can say whose they are.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence

from ..lifecycle import LogChunk
from .capture import NOBODYS, Capture, Heard, Log, Logged, Sink, record_in, record_of
from .page import Page

_STREAMS = ("stdout", "stderr", "logging")


class SortingCapture(Capture):
    """The reading ends of the three pipes, and a log for each run that was given."""

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        self._records = self._heard[self.ours[2]] = Heard(2, Logged(_numbered))
        self._logs: dict[int, Log] = {}
        self._begun: set[int] = set()
        self._told: set[int] = set()

    # a sink of records

    full = False

    def add(
        self, at: int, stream: str, level: str, logger: str | None, text: str, number: int = 0
    ) -> None:
        """Take lines of one run."""
        log = self._logs.get(number)
        if log is None:
            self._nobodys().add(at, stream, level, logger, text)
        else:
            log.add(at, stream, level, logger, text)
            self._told.add(number)

    def skip(self, size: int) -> None:
        """Never called: this sink is never full."""

    # runs come and go

    def give(self, number: int, most: int) -> None:
        """A run was handed over, of which at most so many bytes are kept."""
        self._logs[number] = Log(most)

    def begun(self, number: int, marks: Sequence[int] | None) -> None:
        """A run begins; what was written before these marks is not its own."""
        if marks is not None:
            self._cut(marks)
        self._begun.add(number)

    def flow(self, *, bare: bool = True) -> None:
        """Sort what was read until now; ``bare``: the bytes without a number, too."""
        for heard in self._heard.values():
            if bare or heard is self._records:
                heard.feed(self._sink(heard))

    @property
    def holds_bare(self) -> bool:
        """Were bytes without a number read, and not sorted yet?"""
        return any(heard.waits for heard in self._heard.values() if heard is not self._records)

    def take(self, now: float) -> Iterator[tuple[int, tuple[LogChunk, ...]]]:
        """What is to be passed on by now: the number of a run, or 0, and its lines."""
        if self.log.wait(now) == 0.0:
            yield 0, self.log.take(now)
        for number in list(self._told):
            if self._logs[number].wait(now) == 0.0:
                self._told.discard(number)
                yield number, self._logs[number].take(now)

    def wait(self, now: float) -> float | None:
        """Seconds until there is something to be passed on."""
        logs = [self.log, *map(self._logs.__getitem__, self._told)]
        return min((wait for log in logs if (wait := log.wait(now)) is not None), default=None)

    def end(self, number: int, marks: Sequence[int] | None) -> tuple[LogChunk, ...]:
        """A run is over: everything of it that was not taken yet; marks as of :meth:`finish`."""
        if marks is not None:
            self._cut(marks)
        self._begun.discard(number)
        self._told.discard(number)
        self.log.reset(NOBODYS)
        log = self._logs.pop(number, None)
        return () if log is None else log.close()

    def _cut(self, marks: Sequence[int]) -> None:
        self._read_to(marks)
        for heard in self._heard.values():
            # Records have numbers, so that theirs need no end: half a one is another run's.
            if heard is self._records and marks:
                heard.feed(self)
            else:
                heard.end(self._sink(heard), whole=not marks)

    def _sink(self, heard: Heard) -> Sink:
        """Of records it is the numbers that say whose they are."""
        return self if heard is self._records else self._nobodys()

    def _nobodys(self) -> Log:
        """The log of what has no number: that of the only run there is, or the child's own."""
        if len(self._begun) != 1:
            return self.log
        (number,) = self._begun
        self._told.add(number)
        return self._logs[number]


def _numbered(line: bytes) -> tuple[int, str, str, str | None, str, int]:
    """A record with its number and stream, for :meth:`SortingCapture.add`."""
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        *record, number, stream = json.loads(line)
        if isinstance(number, int) and stream in _STREAMS:
            at, _, level, logger, text = record_of(*record)
            return at, stream, level, logger if stream == "logging" else None, text, number
    return *record_in(line), 0
