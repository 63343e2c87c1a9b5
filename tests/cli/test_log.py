"""The log of ``jobreg worker`` looks as the loggers' own and is written a batch at a time."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pty
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, TextIO

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


def ends(kind: str) -> tuple[int, int]:
    """Where it is read, and where it is written."""
    if kind == "pipe":
        return os.pipe()
    if kind == "terminal":
        reader, writer = pty.openpty()
        return reader, writer
    left, right = socket.socketpair()
    return left.detach(), right.detach()


@pytest.fixture(params=["pipe", "terminal", "socket"])
def read_by(request: pytest.FixtureRequest) -> Iterator[tuple[TextIO, int]]:
    """A stream, and the descriptor it is read by, which the test may read or not."""
    reader, writer = ends(request.param)
    with open(writer, "w", buffering=1) as stream:
        yield stream, reader
        os.close(reader)


def all_of(reader: int) -> bytes:
    os.set_blocking(reader, False)
    text = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            text += os.read(reader, 65536)
    return text


@pytest.mark.parametrize("width", [10, 900, 10_000])
def test_who_reads_no_more_is_not_waited_for_and_told_later_what_was_left_out(
    read_by, monkeypatch, width
):
    monkeypatch.setattr("jobreg.cli.log._PATIENCE", 0.05)
    (stream, reader), number = read_by, count()
    log, told = EventLog(stream), [f"{n} {'x' * width}" for n in range(11_000)]
    text, threads = b"", ThreadPoolExecutor(1)

    def write(some: int) -> None:
        log.write(logging.INFO, [told[next(number)] for _ in range(some)])

    for _ in range(10):  # no stream has room for as much
        threads.submit(write, 1000).result(20)
    while not text.endswith(b"\n") or b"log.left_out" not in text:  # one line may take several
        text += all_of(reader)
        threads.submit(write, 1).result(20)
    text += all_of(reader)

    lines = [line.partition(" INFO ")[2] for line in text.decode().splitlines()]
    (left_out,) = (line for line in lines if line.startswith("log.left_out"))
    known, total = set(told), next(number)
    whole = [int(line.partition(" ")[0]) for line in lines if line in known]
    assert len(whole) == len(lines) - 1
    assert whole == sorted(set(whole))
    assert whole[-1] == total - 1
    assert int(left_out.rpartition("=")[2]) == total - len(whole) > 0


@pytest.mark.parametrize("width", [10, 10_000])
def test_what_a_slow_reader_reads_is_whole(read_by, width):
    stream, reader = read_by
    told, found = [f"{n} {'x' * width}" for n in range(100)], list[bytes]()

    def read() -> None:
        while b"worker.stopped" not in b"".join(found[-2:]):
            found.append(os.read(reader, 1000))

    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(read)
        EventLog(stream).write(logging.INFO, [*told, "worker.stopped"])
        reading.result(20)

    lines = b"".join(found).decode().splitlines()
    assert [line.partition(" INFO ")[2] for line in lines] == [*told, "worker.stopped"]


@pytest.mark.parametrize("command", [["worker", "--until-idle"], ["run", "acme.nap"]])
def test_what_the_driver_says_of_a_lost_connection_is_no_line_of_ours(
    command: list[str], fake_plugins: Any, tmp_path: Path
) -> None:
    fake_plugins.add(
        "acme", jobs={"acme.nap": "acme_nap:nap"}, modules={"acme_nap.py": "def nap(): pass\n"}
    )
    words = (
        "import logging, sys\nfrom jobreg.cli import run\n"
        "code = run(sys.argv[1:])\n"
        "logging.getLogger('psycopg').warning('error ignored terminating a pipeline')\n"
        "logging.getLogger('other').warning('this is told')\n"
        "sys.exit(code)"
    )
    store = ("--store", f"{tmp_path}/jobs.db")

    done = subprocess.run(
        [sys.executable, "-c", words, *command, *store],
        env=fake_plugins.env(), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    assert "error ignored" not in done.stderr
    assert "this is told" in done.stderr
