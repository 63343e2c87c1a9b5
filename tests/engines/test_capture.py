"""What the supervisor makes of bytes in a child's pipes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from jobreg.engines.capture import LONGEST, Capture, Log
from jobreg.engines.page import Page, make_file
from jobreg.engines.sorting import SortingCapture
from jobreg.lifecycle import LogChunk

MOST = 10_000


@pytest.fixture
def capture() -> Iterator[Capture]:
    made = Capture()
    made.begin(MOST)
    yield made
    made.close()


def texts(chunks: tuple[LogChunk, ...]) -> list[str]:
    return [line for chunk in chunks for line in chunk.text.split("\n")]


def say(capture: Capture, data: bytes, which: int = 0) -> None:
    os.write(capture.theirs[which], data)
    capture.read(capture.ours[which])
    capture.flow()


def test_a_character_cut_in_two_by_a_read_is_whole(capture: Capture) -> None:
    for byte in "żółć\n".encode():
        say(capture, bytes([byte]))

    assert texts(capture.finish()) == ["żółć"]


def test_half_a_line_waits_for_its_end(capture: Capture) -> None:
    say(capture, b"one\ntw")
    first = capture.log.take(0.0)
    say(capture, b"o\r\nthree")

    assert texts(first) == ["one"]
    assert texts(capture.finish()) == ["two", "three"]


def test_nothing_of_a_run_is_left_for_the_next(capture: Capture) -> None:
    say(capture, b"half \xc3")
    say(capture, b"half a record", which=2)
    capture.finish()
    capture.begin(MOST)

    say(capture, b"\xb3 next\n")

    assert texts(capture.finish()) == ["\\xb3 next"]


def test_what_is_in_the_pipe_when_a_run_ends_is_of_that_run(capture: Capture) -> None:
    os.write(capture.theirs[1], b"x" * 60_000)

    assert len(texts(capture.finish())[0]) == MOST - 64  # the cap, less what a chunk costs
    capture.begin(MOST)
    assert capture.finish() == ()


def test_of_one_that_never_stops_no_more_is_read_than_a_pipe_can_hold(capture: Capture) -> None:
    reads = []

    def endless(descriptor: int) -> int:
        reads.append(descriptor)
        return 64 * 1024

    os.write(capture.theirs[0], b"x")
    capture._read = endless  # type: ignore[method-assign]
    capture.finish()

    assert len(reads) == 16


def test_an_end_without_writers_is_told(capture: Capture) -> None:
    ours = capture.ours[0]
    quiet = capture.read(ours)
    capture.hand_over()

    assert (quiet, capture.read(ours)) == (True, False)


def test_lines_of_one_moment_are_one_chunk_and_of_another_level_are_not() -> None:
    log = Log(MOST)
    for at, level, text in ((0, "INFO", "a"), (9_999, "INFO", "b"), (10_000, "INFO", "c"),
                            (10_001, "ERROR", "d"), (10_002, "INFO", "e")):  # fmt: skip
        log.add(at, "logging", level, "x", text)

    assert [(chunk.at, chunk.text) for chunk in log.take(0.0)] == [
        (0, "a\nb"), (10_000, "c"), (10_001, "d"), (10_002, "e"),
    ]  # fmt: skip


def test_a_chunk_does_not_grow_without_bound() -> None:
    log = Log(10_000_000)
    for _ in range(100):
        log.add(0, "stdout", "INFO", None, "x" * 10_000)

    assert max(len(chunk.text) for chunk in log.take(0.0)) <= LONGEST + 20_000


def test_empty_records_count_too() -> None:
    log = Log(MOST)
    for number in range(1000):
        log.add(number * 20_000, "logging", "INFO", "", "")

    *kept, marker = log.close()

    assert len(kept) < MOST / 64
    assert "cut: " in marker.text


def test_after_the_cut_nothing_is_kept_though_it_would_fit() -> None:
    log = Log(200)
    log.add(0, "stdout", "INFO", None, "é" * 100)
    log.add(0, "stdout", "INFO", None, "fits")

    kept, marker = log.close()

    assert kept.text == "é" * 68
    assert marker.text.startswith("... cut: 70 bytes more were printed or logged. ")


@pytest.mark.parametrize(
    "line",
    [b"[]", b"nonsense", b"{}", b'["x", 1, 2, 3]', b"[1, 2, 3]", b"[" * 100_000, b"\xff", b"NaN"],
)
def test_a_record_that_is_none_is_shown_as_it_is(line: bytes) -> None:
    capture = Capture()
    capture.begin(1_000_000)
    for first in range(0, len(line), 50_000):
        say(capture, line[first : first + 50_000], which=2)
    say(capture, b"\n", which=2)

    chunks = capture.finish()
    capture.close()

    assert "".join(chunk.text for chunk in chunks) == line.decode("utf-8", "backslashreplace")


@pytest.mark.parametrize("at", [-1, 1e300, 10**30])
def test_a_record_from_a_clock_gone_wrong_gets_our_time(capture: Capture, at: float) -> None:
    say(capture, json.dumps([at, "INFO", "x", "text"]).encode() + b"\n", which=2)

    (chunk,) = capture.finish()

    assert (chunk.text, 0 < chunk.at < 2**52) == ("text", True)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_half_a_line_of_a_dead_child_that_many_shared_is_told(which: int) -> None:
    """A child killed while it logs leaves half a record, and the worker lives on."""
    descriptor = make_file()
    shared = SortingCapture(Page(descriptor))
    os.write(shared.theirs[which], b'[1, "INFO", "half')
    shared.hand_over()
    ours = shared.ours[which]
    while shared.read(ours):
        pass

    shared.drop(ours)

    assert texts(shared.finish()) == ['[1, "INFO", "half']
    shared.close()
    os.close(descriptor)
