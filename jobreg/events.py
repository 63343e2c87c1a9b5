"""Named events. Code says what happened; logs (and later metrics) only listen.

run.claimed run.settled run.unsettled run.progress run.output run.unlogged lease.lost lease.overdue
worker.started worker.stopping worker.stopped worker.failed worker.rescued store.pruned
child.started child.ended child.refused child.stuck child.output job.unready job.refused
store.down store.up
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

Facts = dict[str, object]
Writer = Callable[[int, list[str]], None]
"""Writes lines of one level of logging."""
Listener = Callable[[str, Facts], None]

_listeners: list[Listener] = []
_writer: Writer | None = None
_LOG = logging.getLogger("jobreg")
_LEVELS = {
    "run.claimed": logging.DEBUG,
    "run.progress": logging.DEBUG,
    "run.output": logging.DEBUG,
    "run.unlogged": logging.WARNING,
    "run.unsettled": logging.WARNING,
    "child.started": logging.DEBUG,
    "child.ended": logging.DEBUG,
    "lease.lost": logging.WARNING,
    "lease.overdue": logging.WARNING,
    "worker.rescued": logging.WARNING,
    "job.unready": logging.WARNING,
    "job.refused": logging.WARNING,
    "child.refused": logging.WARNING,
    "child.stuck": logging.WARNING,
    "store.down": logging.WARNING,
    "worker.failed": logging.ERROR,
}


def emit(name: str, **facts: object) -> None:
    """Tell every listener that something happened; the log is not told what is None."""
    if _LOG.isEnabledFor(_level_of(name)):
        known = {key: value for key, value in facts.items() if value is not None}
        _log(name, tuple(known), (tuple(known.values()),))
    for listener in tuple(_listeners):
        listener(name, facts)


def emit_all(name: str, keys: tuple[str, ...], many: Collection[tuple[object, ...]]) -> None:
    """Tell every listener that the same happened several times, each time with such facts."""
    if many and _LOG.isEnabledFor(_level_of(name)):
        _log(name, keys, many)
    for listener in tuple(_listeners):
        for values in many:
            listener(name, dict(zip(keys, values, strict=True)))


def _level_of(name: str) -> int:
    return _LEVELS.get(name, logging.INFO)


def _log(name: str, keys: tuple[str, ...], many: Collection[tuple[object, ...]]) -> None:
    line_of = " ".join([name, *(f"{key}=%s" for key in keys)])
    lines = [line_of % values for values in many]
    whole = "".join(lines)  # nearly always all are plain
    if not (whole.isascii() and whole.isprintable() and "\\" not in whole):
        lines = [line.encode("unicode_escape").decode("ascii") for line in lines]
    if _writer is not None:
        _writer(_level_of(name), lines)
    else:
        for line in lines:
            _LOG.log(_level_of(name), "%s", line)


def write_to(writer: Writer) -> Callable[[], None]:
    """Let the log be written by this; returns a function that lets the loggers do it again.

    For a process that writes a line for each of thousands of runs a second: a logger takes as long
    for a line as a database for a run.
    """

    def use(one: Writer | None) -> None:
        global _writer
        _writer = one

    use(writer)
    return lambda: use(None)


def listen(listener: Listener) -> Callable[[], None]:
    """Call ``listener(name, facts)`` at every event; returns a function that ends it."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)
