"""Events reach listeners one by one, and the log line by line, whoever writes it."""

from __future__ import annotations

import logging

import pytest

from jobreg import events

KEYS = "run_id", "reason"
MANY = [("one", "asked"), ("two\nlines", "error")]
LINES = [
    "worker.stopped run_id=one reason=asked",
    r"worker.stopped run_id=two\nlines reason=error",
]


@pytest.fixture
def written(monkeypatch):
    """What is written in place of what loggers say."""
    monkeypatch.setattr(logging.getLogger("jobreg"), "level", logging.INFO)
    heard: list[tuple[int, list[str]]] = []
    stop = events.write_to(lambda level, lines: heard.append((level, lines)))
    yield heard
    stop()


def test_listeners_hear_each_of_many():
    heard: list[object] = []
    deaf = events.listen(lambda name, facts: heard.append((name, facts)))
    try:
        events.emit_all("worker.stopped", KEYS, MANY)
    finally:
        deaf()

    assert heard == [("worker.stopped", dict(zip(KEYS, each, strict=True))) for each in MANY]


def test_loggers_have_a_record_for_each(caplog):
    with caplog.at_level(logging.INFO, "jobreg"):
        events.emit_all("worker.stopped", KEYS, MANY)

    assert caplog.messages == LINES


def test_a_writer_has_all_at_once_and_the_loggers_none(written, caplog):
    events.emit_all("worker.stopped", KEYS, MANY)
    events.emit("run.claimed", run_id="three")
    events.emit("worker.stopped", run_id="four", reason=None)
    events.emit("worker.stopped")
    events.emit_all("lease.lost", KEYS, [])

    assert written == [
        (logging.INFO, LINES),
        (logging.INFO, ["worker.stopped run_id=four"]),
        (logging.INFO, ["worker.stopped"]),
    ]
    assert caplog.messages == []


def test_text_that_is_no_plain_text_is_escaped(written):
    events.emit("store.down", error="a\tb \\ ü \x1b[31m")

    assert written == [(logging.WARNING, [r"store.down error=a\tb \\ \xfc \x1b[31m"])]
