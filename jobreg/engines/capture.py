"""What one child prints and logs, as the supervisor hears it: never waited for, and bounded.

A child executes one run after another, and says with each outcome how many bytes its pipes had
been given until then. So it is known whose each byte is, however late it is read
(docs/decisions/0011-captured-output.md).
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import select
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from attrs import evolve

from .. import clock
from ..lifecycle import LogChunk
from .page import Page

LONGEST = 64 * 1024
"""Characters of a line; a longer one is kept in pieces."""

LONGEST_NAME = 256
"""Characters of a level or logger; the rest is cut."""

NOBODYS = 64 * 1024
"""Bytes to be heard of a child between two runs."""

_READ = 64 * 1024
_LARGEST_PIPE = 1024 * 1024
_TOGETHER = 10_000
_CHUNK_COST = 64
_EVERY = 0.1
_LAST_YEAR = 253_402_300_800_000_000  # microseconds; datetime ends there


class Log:
    """The output of one attempt on its way: at most ``most`` bytes, the rest is only counted."""

    def __init__(self, most: int) -> None:
        self._chunks: list[LogChunk] = []
        self._texts: list[str] = []  # of the last chunk, which is still open
        self._size = 0
        self._told = clock.seconds()
        self.reset(most)

    def reset(self, most: int) -> None:
        """Begin anew, with room for so many bytes; what was kept has been taken."""
        self._most = self._left = most
        self._cut = 0

    def add(self, at: int, stream: str, level: str, logger: str | None, text: str) -> None:
        """Take lines, joined by newlines, without the last one."""
        data = text.encode()
        joins = self._joins(at, stream, level, logger)
        cost = 1 if joins else _CHUNK_COST + len(logger or "")
        kept = data[: max(0, self._left - cost)]
        if len(kept) < len(data) or self._left < cost:
            self._cut += len(data) - len(kept) + 1
            self._left = 0
            if not kept:
                return
        else:
            self._left -= len(kept) + cost
        if not joins:
            self._seal()
            self._chunks.append(LogChunk(at, stream, level, logger, ""))
        self._texts.append(kept.decode("utf-8", "ignore"))
        self._size += len(kept) + 1

    def _joins(self, at: int, stream: str, level: str, logger: str | None) -> bool:
        """Is this from the same moment as the last chunk, and alike?"""
        if not self._chunks or self._size > LONGEST:
            return False
        last = self._chunks[-1]
        alike = (last.stream, last.level, last.logger) == (stream, level, logger)
        return alike and 0 <= at - last.at < _TOGETHER

    def _seal(self) -> None:
        if self._chunks:
            self._chunks[-1] = evolve(self._chunks[-1], text="\n".join(self._texts))
        self._texts, self._size = [], 0

    @property
    def holds(self) -> bool:
        """Is there anything to be told?"""
        return bool(self._chunks or self._cut)

    @property
    def full(self) -> bool:
        """Is there no room left, so that a text need not be looked at?"""
        return self._left == 0

    def skip(self, size: int) -> None:
        """Count bytes that are not kept."""
        self._cut += size

    def wait(self, now: float) -> float | None:
        """Seconds until what was taken is to be passed on; None where there is nothing."""
        return max(0.0, self._told + _EVERY - now) if self._chunks else None

    def take(self, now: float) -> tuple[LogChunk, ...]:
        """Hand over what there is."""
        if not self._chunks:
            return ()
        self._told = now
        self._seal()
        chunks, self._chunks = self._chunks, []
        return tuple(chunks)

    def close(self) -> tuple[LogChunk, ...]:
        """Hand over the rest, with a word on what was cut."""
        chunks = self.take(0.0)
        if not self._cut:
            return chunks
        told = (
            f"... cut: {self._cut:,} bytes more were printed or logged. "
            f"JOBREG_MAX_LOG keeps {self._most:,} bytes of an attempt."
        )
        return (*chunks, LogChunk(_now(), "logging", "WARNING", "jobreg", told))


class Sink(Protocol):
    """What takes lines: the log of one attempt, or what sorts them."""

    @property
    def full(self) -> bool:
        """Is there no room left, so that a text need not be looked at?"""

    def add(self, at: int, stream: str, level: str, logger: str | None, text: str) -> None:
        """Take lines, joined by newlines, without the last one."""

    def skip(self, size: int) -> None:
        """Count bytes that are not kept."""


class Printed:
    """Text from stdout or stderr, whole lines of it."""

    def __init__(self, stream: str, level: str) -> None:
        self._told = (stream, level, None)
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._fed = False
        self._rest = ""

    def feed(self, data: bytes, log: Sink) -> None:
        """Pass on the lines that are whole now."""
        self._fed = True
        text = (self._rest + self._decoder.decode(data)).replace("\r\n", "\n")
        whole, newline, self._rest = text.rpartition("\n")
        if newline:
            log.add(_now(), *self._told, "\n".join(_pieces(whole)))
        while len(self._rest) >= LONGEST:
            log.add(_now(), *self._told, self._rest[:LONGEST])
            self._rest = self._rest[LONGEST:]

    def end(self, log: Sink) -> None:
        """Pass on the rest, which has no newline."""
        if not self._fed:
            return
        rest = self._rest + self._decoder.decode(b"", final=True)
        self.forget()
        if rest:
            log.add(_now(), *self._told, rest)

    def forget(self) -> None:
        """Begin anew."""
        self._fed, self._rest = False, ""
        self._decoder.reset()


class Logged:
    """Records, one a line, as :mod:`.tap` writes them."""

    def __init__(self, read: Callable[[bytes], tuple[Any, ...]] | None = None) -> None:
        self._read = read or record_in
        self._rest = b""

    def feed(self, data: bytes, log: Sink) -> None:
        """Pass on the lines that are whole now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line:
                log.add(*self._read(line))
        if len(self._rest) > _LARGEST_PIPE:  # nothing of ours is as long
            self.end(log)

    def end(self, log: Sink) -> None:
        """Pass on the rest, which was cut short."""
        rest, self._rest = self._rest, b""
        if rest:
            log.add(*self._read(rest))

    def forget(self) -> None:
        """Begin anew."""
        self._rest = b""


def record_in(line: bytes) -> tuple[int, str, str, str, str]:
    """A record of logging, for :meth:`Log.add`."""
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        return record_of(*json.loads(line))
    # It was cut short by a signal, or is not from us: a job may write where it likes.
    return _now(), "logging", "INFO", "", line.decode("utf-8", "backslashreplace")


def record_of(at: Any, level: Any, logger: Any, text: Any) -> tuple[int, str, str, str, str]:
    """What a record says, within bounds."""
    if not 0 <= at < _LAST_YEAR:  # of a clock that a job has set
        at = _now()
    level, logger = _whole(level)[:LONGEST_NAME], _whole(logger)[:LONGEST_NAME]
    return int(at), "logging", level, logger, _whole(text)


def _whole(text: object) -> str:
    """A text that UTF-8 can carry: half a surrogate pair, which a job can log, is escaped."""
    return str(text).encode("utf-8", "backslashreplace").decode()


class Heard:
    """What was read of one pipe: whose it is shows only when a run has ended, or goes on alone."""

    def __init__(self, which: int, reader: Printed | Logged) -> None:
        self.which = which
        self.mark = 0
        self.taken = 0
        self._reader = reader
        self._waiting = b""

    @property
    def waits(self) -> bool:
        """Was anything read that no log was given?"""
        return bool(self._waiting)

    def take(self, data: bytes) -> None:
        """Keep what was read until it is known whose it is."""
        self._waiting += data
        self.taken += len(data)

    def feed(self, log: Sink, size: int | None = None) -> None:
        """Give the log what waits, or the first so many bytes of it."""
        data = self._waiting if size is None else self._waiting[:size]
        self._waiting = b"" if size is None else self._waiting[size:]
        if not data:
            return
        if log.full:
            log.skip(len(data))
            self._reader.forget()
        else:
            self._reader.feed(data, log)

    def end(self, log: Sink, *, whole: bool) -> None:
        """Give the log what was written before the mark, or all; it ends there."""
        self.feed_to_mark(log, whole=whole)
        self._reader.end(log)

    def feed_to_mark(self, log: Sink, *, whole: bool) -> None:
        """Give the log what was written before the mark, or all."""
        if self._waiting:
            beyond = 0 if whole else self.taken - self.mark
            self.feed(log, max(0, len(self._waiting) - beyond))


class Capture:
    """The reading ends of one child's three pipes, and the log of what executes there.

    ``theirs`` are the writing ends for the child (stdout, stderr, records); close them with
    :meth:`hand_over` once it has them. ``page`` is told what was read, so that the child can say
    where in each pipe the output of a run ends.
    """

    def __init__(self, page: Page | None = None) -> None:
        with contextlib.ExitStack() as opened:
            pairs = []
            for _ in range(3):
                pairs.append(os.pipe())
                for end in pairs[-1]:
                    opened.callback(os.close, end)
            opened.pop_all()
        out, err, records = (ours for ours, _ in pairs)
        for ours, _ in pairs:
            os.set_blocking(ours, False)
        self.theirs = [theirs for _, theirs in pairs]
        self._page = page
        self._heard = {
            out: Heard(0, Printed("stdout", "INFO")),
            err: Heard(1, Printed("stderr", "WARNING")),
            records: Heard(2, Logged()),
        }
        self._ready = select.poll()
        for ours in self._heard:
            self._ready.register(ours, select.POLLIN)
        self.log = Log(NOBODYS)

    @property
    def ours(self) -> Sequence[int]:
        """The reading ends that are open."""
        return tuple(self._heard)

    def hand_over(self) -> None:
        """Close the writing ends here: the child has them, or was never started."""
        while self.theirs:
            os.close(self.theirs.pop())

    def begin(self, most: int) -> None:
        """A run begins, of which at most so many bytes are kept."""
        self.log.reset(most)

    @property
    def holds(self) -> bool:
        """Is there output of the run that executes, that was not passed on?"""
        return self.log.holds

    def flow(self) -> None:
        """All that was read until now is of the run that executes."""
        for heard in self._heard.values():
            heard.feed(self.log)

    def finish(self, marks: Sequence[int] | None = ()) -> tuple[LogChunk, ...]:
        """A run is over: everything of it that was not taken yet.

        ``marks`` say how many bytes of each pipe were written by its end, since the pipe was
        made; None: it has written nothing since it was last asked; empty: all that is there.
        """
        if marks is not None:
            self._cut(marks)
        chunks = self.log.close()
        self.log.reset(NOBODYS)
        return chunks

    def _sink(self, heard: Heard) -> Sink:
        """What takes what was read of one pipe."""
        return self.log

    def _cut(self, marks: Sequence[int]) -> None:
        """Give the log what is left of a run that is over."""
        self._read_to(marks)
        for heard in self._heard.values():
            heard.end(self.log, whole=not marks)

    def _read_to(self, marks: Sequence[int]) -> None:
        """Read all that was written before the marks, or all that is there."""
        if marks:
            for heard, mark in zip(self._heard.values(), marks, strict=False):
                heard.mark = mark
        # All of a pipe, were it as large as a job can make it, and no more: what still writes
        # into it (a daemon that left the group) has no claim on this run.
        for _ in range(_LARGEST_PIPE // _READ):
            if marks and all(heard.taken >= heard.mark for heard in self._heard.values()):
                break
            taken = [self._read(descriptor) for descriptor, _ in self._ready.poll(0)]
            if max(taken, default=0) < (1 if marks else _READ):
                break

    def read(self, descriptor: int) -> bool:
        """Take what is there now of one pipe; False when nobody can write into it any more."""
        return self._read(descriptor) != 0

    def _read(self, descriptor: int) -> int:
        """Read once; how many bytes, -1 where there are none yet."""
        heard, data = self._heard[descriptor], b""
        if self._page is not None:
            self._page.reading()
        try:
            data = os.read(descriptor, _READ)
        except BlockingIOError:
            return -1
        finally:
            if self._page is not None:
                self._page.has_read(heard.which, len(data))
        heard.take(data)
        return len(data)

    def drop(self, descriptor: int) -> None:
        """Close one reading end; whoever still writes there is told that nobody listens."""
        heard = self._heard.pop(descriptor)
        self._ready.unregister(descriptor)
        os.close(descriptor)
        heard.end(self._sink(heard), whole=True)

    def close(self) -> None:
        """Close them all."""
        for descriptor in self.ours:
            self.drop(descriptor)
        self.hand_over()


def _pieces(text: str) -> Iterator[str]:
    """A text itself, or where it is long its lines, those too long in several."""
    if len(text) <= LONGEST:
        yield text
        return
    for line in text.split("\n"):
        for first in range(0, len(line) or 1, LONGEST):
            yield line[first : first + LONGEST]


def _now() -> int:
    return time.time_ns() // 1000
