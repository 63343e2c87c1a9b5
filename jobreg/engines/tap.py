"""In the child: stdout, stderr and logging each go into a pipe that the supervisor reads.

Descriptors 1 and 2 themselves are replaced, so that C code, subprocesses and the last words of a
crash are caught as well. Records are written in the thread that logs: they survive a child that
dies right after.
"""

from __future__ import annotations

import ctypes
import faulthandler
import fcntl
import functools
import json
import logging
import os
import signal
import sys
import termios
import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from .capture import LONGEST, LONGEST_NAME
from .numbered import NUMBER, Numbered
from .page import Page

LEVEL = logging.INFO
"""The level of the root logger in a child. Python's own, WARNING, would hide what jobs tell."""


class Tap:
    """Leads one child's output into three pipes, given by their writing ends.

    ``apart``: many runs execute here at once, and each line is told with the number of its run.
    """

    def __init__(
        self, page: Page, stdout: int, stderr: int, records: int, *, apart: bool = False
    ) -> None:
        for ours, number in ((stdout, 1), (stderr, 2)):
            os.dup2(ours, number)
        self._page = page
        # Of our own, so that a job may do with 1 and 2 what it likes.
        self._pipes = (stdout, stderr, records)
        self._size = array("i", [0])
        self._marks = [0, 0, 0]
        # Bytes in each pipe, and reads, when the marks were last taken.
        self._quiet: tuple[int, ...] = ()
        self._handler = RecordHandler(records, apart)
        self._apart: tuple[Numbered, ...] = ()
        self._streams: dict[str, TextIO]
        if apart:
            # One lock: who logs may print, in the __str__ of what is logged.
            to = self._handler.tell, self._handler.lock
            out = Numbered(1, "stdout", "INFO", *to)
            err = Numbered(2, "stderr", "WARNING", *to)
            self._apart = out, err
            self._streams = {"stdout": out.text(), "stderr": err.text()}
        else:
            self._streams = {"stdout": _text_on(1), "stderr": _text_on(2)}
        for name, stream in self._streams.items():
            setattr(sys, f"__{name}__", stream)
        self._flush_c = _flusher_of_c()
        self._file = _told_apart((1, 2, records))
        self._before = self.state()
        if not faulthandler.is_enabled():
            # A descriptor of its own, which stays when a job closes descriptor 2.
            faulthandler.enable(os.dup(2))
        logging.root.setLevel(LEVEL)
        _let_basic_config_work(self._handler)
        self.open()

    def open(self) -> None:
        """A run begins: what the one before put in the place of stream or handler goes."""
        for name, stream in self._streams.items():
            setattr(sys, name, stream)
        if self._handler not in logging.root.handlers:
            logging.root.addHandler(self._handler)

    def flush(self) -> None:
        """A run ends: send what Python and C still hold back."""
        for name, ours in self._streams.items():
            try:
                ours.flush()
                stream = getattr(sys, name)
                if stream is not ours:
                    stream.flush()
            except BaseException:  # the job closed it, or left one of its own: nobody to tell
                continue
        self._flush_c()

    def end(self, number: int) -> None:
        """One run of many ends: send what it still holds back, and what C does."""
        for stream in self._apart:
            stream.end(number)
        self._flush_c()

    def marks(self) -> list[int] | None:
        """Where in each pipe ends what was written until now: bytes since its beginning.

        None where nothing was written since the last time; empty where nobody can say.
        """
        if sys.platform != "linux":
            return []
        try:
            # The bytes first: as long as no read has begun by then, they are all that is new.
            if (*map(self._held, self._pipes), self._page.reads) == self._quiet:
                return None
            marks = self._written()
        except OSError:  # the job closed what it did not open
            return []
        if marks == self._marks:
            return None
        self._marks = marks
        return marks

    def _held(self, end: int) -> int:
        """The bytes in a pipe that were not read yet."""
        fcntl.ioctl(end, termios.FIONREAD, self._size)
        return self._size[0]

    def _written(self) -> list[int]:
        """The bytes that were read of each pipe, and those that are in it still."""
        while True:
            seen, *read = self._page.was_read()
            held = [self._held(end) for end in self._pipes]
            if not seen % 2 and self._page.reads == seen:
                self._quiet = (*held, seen)
                return [before + more for before, more in zip(read, held, strict=True)]
            time.sleep(0)  # the supervisor reads at this moment

    @property
    def harmed(self) -> bool:
        """Did a job close or redirect a descriptor or stream, so that the next would be unheard?"""
        return self.state() != self._before

    def state(self) -> tuple[object, ...]:
        """What must stay as it is for the next run's output to arrive."""
        out, err = self._streams.values()
        file = self._file
        try:
            files = file(1), file(2), file(self._pipes[2])
            return out.closed, err.closed, os.get_blocking(1), os.get_blocking(2), files
        except OSError:
            return ()


class RecordHandler(logging.Handler):
    """Writes each record at once as a line of JSON: microseconds, level, logger, text.

    ``numbered``: then the number of its run, and the stream.
    """

    def __init__(self, descriptor: int, numbered: bool = False) -> None:
        super().__init__()
        self._numbered = numbered
        self._descriptor = descriptor
        self._file = _file_behind(descriptor)

    @property
    def connected(self) -> bool:
        """Is the descriptor still our pipe? A job may have closed it and opened a file instead."""
        return _file_behind(self._descriptor) == self._file

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, unless it is printed, and so caught, by a handler of the job's own."""
        try:
            if _is_printed(record, self) or not self.connected:
                return
            at = int(record.created * 1_000_000)
            level, name = str(record.levelname), str(record.name)
            told = [at, level[:LONGEST_NAME], name[:LONGEST_NAME]]
            whose = [NUMBER.get(), "logging"] if self._numbered else []
            text = self.format(record)
            for first in range(0, len(text) or 1, LONGEST):
                self._write(json.dumps([*told, text[first : first + LONGEST], *whose]))
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)

    def tell(self, *told: object) -> None:
        """Write a record that no logger made, of what was printed; the caller has our lock."""
        if self.connected:
            self._write(json.dumps(told))

    def _write(self, line: str) -> None:
        # A newline before it too: a line that a signal cut short must not spoil this one.
        rest = memoryview(f"\n{line}\n".encode("ascii"))
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


def _text_on(descriptor: int) -> TextIO:
    return open(
        descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
    )


def _file_behind(descriptor: int) -> tuple[int, int, bool] | None:
    """What tells one open file from another, and whether it blocks; None where there is none."""
    try:
        status = os.fstat(descriptor)
        return status.st_dev, status.st_ino, os.get_blocking(descriptor)
    except OSError:
        return None


def _told_apart(descriptors: Sequence[int]) -> Callable[[int], object]:
    """What tells whether a descriptor still is the open file that it was, of these.

    Linux keeps with each open file the number of a signal, for those who ask to be sent one
    (fcntl(2), F_SETSIG). Nobody asks that of ours, so the number is a mark of its own for each, and
    read in a quarter of the time that fstat takes.
    """
    try:
        for number, each in enumerate(descriptors):
            fcntl.fcntl(each, fcntl.F_SETSIG, signal.SIGRTMAX - number)
    except (AttributeError, OSError):  # another system
        return _file_behind
    return lambda descriptor: fcntl.fcntl(descriptor, fcntl.F_GETSIG)


def _is_printed(record: logging.LogRecord, ours: logging.Handler) -> bool:
    """Does a handler of the job's own write this record to stdout or stderr?"""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None:
        for handler in logger.handlers:
            stream = getattr(handler, "stream", None)
            if handler is ours or stream is None or record.levelno < handler.level:
                continue
            try:
                if stream.fileno() in (1, 2):
                    return True
            except (OSError, ValueError, AttributeError):
                continue  # a stream without a descriptor, or a closed one, prints nothing
        logger = logger.parent if logger.propagate else None
    return False


def _let_basic_config_work(ours: logging.Handler) -> None:
    """Hide our handler from ``logging.basicConfig``, which does nothing where it finds one."""
    original = logging.basicConfig

    @functools.wraps(original)
    def basic_config(**asked: Any) -> None:
        logging.root.removeHandler(ours)
        try:
            original(**asked)
        finally:
            logging.root.addHandler(ours)

    logging.basicConfig = basic_config


def _flusher_of_c() -> functools.partial[int]:
    """What flushes C's own stdout, which holds back kilobytes when it goes into a pipe.

    No other stream of C's is touched: flushing all waits for whoever reads one at that moment.
    """
    library = ctypes.CDLL(None)
    name = "__stdoutp" if sys.platform == "darwin" else "stdout"
    return functools.partial(library.fflush, ctypes.c_void_p.in_dll(library, name))
