"""The log of ``jobreg worker`` looks as the loggers' own and is written a batch at a time."""

from __future__ import annotations

import io
import logging
import re

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
