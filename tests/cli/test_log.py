"""The log of ``jobreg worker`` looks as the loggers' own and is written a batch at a time."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TextIO

import pytest

from jobreg.cli.log import EventLog


class Counting(io.StringIO):
    """Counts how often it was written to."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


def test_each_line_has_its_time_and_level():
    stream = Counting()

    EventLog(stream).write(logging.WARNING, ["one", "two"])

    first, second = stream.getvalue().splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING one", first)
    assert second == first.removesuffix("one") + "two"
    assert stream.writes == 1


def test_it_is_what_a_logger_would_write(caplog):
    stream = Counting()
    record = logging.LogRecord("jobreg", logging.INFO, "", 0, "run.settled a=1", (), None)
    logged = logging.Formatter("%(asctime)s %(levelname)s %(message)s").format(record)

    EventLog(stream).write(logging.INFO, ["run.settled a=1"])

    mask = re.compile(r"[0-9]")
    assert mask.sub("0", stream.getvalue()) == mask.sub("0", logged) + "\n"


def test_a_closed_stream_ends_nobodys_work():
    stream = Counting()
    log = EventLog(stream)
    stream.close()

    log.write(logging.INFO, ["nobody reads this"])


@pytest.fixture
def pipe() -> Iterator[tuple[TextIO, int]]:
    """A stream, and the descriptor it is read by, which the test may read or not."""
    reader, writer = os.pipe()
    with open(writer, "w", buffering=1) as stream:
        yield stream, reader
    os.close(reader)


def all_of(reader: int) -> list[str]:
    os.set_blocking(reader, False)
    text = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            text += os.read(reader, 65536)
    return text.decode().splitlines()


def test_who_reads_no_more_is_not_waited_for_and_told_later_what_was_left_out(pipe, monkeypatch):
    monkeypatch.setattr("jobreg.cli.log._PATIENCE", 0.05)
    stream, reader = pipe
    log, told = EventLog(stream), [f"run.settled number={n}" for n in range(3000)]
    for some in range(0, 3000, 300):
        log.write(logging.INFO, told[some : some + 300])  # a pipe takes 64 KiB

    first = all_of(reader)
    log.write(logging.INFO, ["worker.stopped"])
    left_out, stopped = all_of(reader)

    numbers = [int(line.rpartition("=")[2]) for line in first]
    assert 500 < len(numbers) < 3000
    assert numbers == list(range(len(numbers)))
    assert left_out.endswith(f" INFO log.left_out lines={3000 - len(numbers)}")
    assert stopped.endswith(" INFO worker.stopped")


def test_what_a_slow_reader_reads_is_whole(pipe):
    stream, reader = pipe
    told, found = [f"run.settled number={n}" for n in range(5000)], list[bytes]()

    def read() -> None:
        while b"worker.stopped" not in b"".join(found[-2:]):
            found.append(os.read(reader, 1000))

    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(read)
        EventLog(stream).write(logging.INFO, [*told, "worker.stopped"])
        reading.result(20)

    lines = b"".join(found).decode().splitlines()
    assert [line.partition(" INFO ")[2] for line in lines] == [*told, "worker.stopped"]
