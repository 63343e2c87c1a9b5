"""Named events. Code says what happened; logs (and later metrics) only listen.

run.claimed run.settled run.progress run.output run.unlogged lease.lost lease.overdue
worker.started worker.stopping worker.stopped worker.failed worker.rescued store.pruned
child.started child.ended child.refused child.output job.unready job.refused store.down store.up
"""

from __future__ import annotations

import logging
from collections.abc import Callable

Listener = Callable[[str, dict[str, object]], None]

_listeners: list[Listener] = []
_LOG = logging.getLogger("jobreg")
_LEVELS = {
    "run.claimed": logging.DEBUG,
    "run.progress": logging.DEBUG,
    "run.output": logging.DEBUG,
    "run.unlogged": logging.WARNING,
    "child.started": logging.DEBUG,
    "child.ended": logging.DEBUG,
    "lease.lost": logging.WARNING,
    "lease.overdue": logging.WARNING,
    "worker.rescued": logging.WARNING,
    "job.unready": logging.WARNING,
    "job.refused": logging.WARNING,
    "child.refused": logging.WARNING,
    "store.down": logging.WARNING,
    "worker.failed": logging.ERROR,
}


def emit(name: str, **facts: object) -> None:
    """Tell every listener that something happened."""
    level = _LEVELS.get(name, logging.INFO)
    if _LOG.isEnabledFor(level):
        told = " ".join(f"{key}={value}" for key, value in facts.items() if value is not None)
        _LOG.log(level, "%s %s", name, told.encode("unicode_escape").decode("ascii"))
    for listener in tuple(_listeners):
        listener(name, facts)


def listen(listener: Listener) -> Callable[[], None]:
    """Call ``listener(name, facts)`` at every event; returns a function that ends it."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)
