"""Named points at which a process can be made to die or to stop, for tests of what then holds.

Nothing happens unless ``JOBREG_FAILPOINTS`` is set when the process starts:
``claim.after_commit=kill@3`` kills it (SIGKILL) when it gets there for the third time,
``stop`` freezes it (SIGSTOP); several are separated by commas.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter

VERBS = (
    "insert", "insert_claimed", "claim", "claim_one", "settle", "note_progress",
    "write_logs", "stage_due", "register", "beat", "rescue", "forget", "ask_worker", "cancel",
    "reopen", "pause", "resume", "prune", "rename", "add", "write_catalogue",
    "upgrade", "keep", "revoke",
)  # fmt: skip
"""The verbs of the store that write; each has a point before and one after its COMMIT."""

POINTS = (
    *(f"{verb}.{when}_commit" for verb in VERBS for when in ("before", "after")),
    "effect.before_commit",
    "effect.after_commit",
    "attempt.begun",
    "attempt.done",
    "outcome.unwritten",
)
"""All of them; ``attempt.done`` has an outcome that is not sent yet."""

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def _parsed(text: str) -> dict[str, tuple[signal.Signals, int]]:
    armed = {}
    for each in filter(None, text.split(",")):
        name, _, action = each.partition("=")
        how, _, count = action.partition("@")
        if name not in POINTS or how not in _SIGNALS:
            raise ValueError(f"JOBREG_FAILPOINTS: {each!r} is no point, or neither kill nor stop.")
        armed[name] = _SIGNALS[how], int(count or 1)
    return armed


_armed = _parsed(os.environ.get("JOBREG_FAILPOINTS", ""))
_reached: Counter[str] = Counter()
_doing = threading.local()


def reach(name: str) -> None:
    """The process is at this point."""
    if name in _armed:
        _reached[name] += 1
        number, count = _armed[name]
        if _reached[name] == count:
            # To this thread: what the process is sent, another may take while this one goes on.
            signal.pthread_kill(threading.get_ident(), number)


def begin(verb: str) -> str:
    """The transactions of this thread are of this verb from now on; which it was before."""
    if not _armed:
        return ""
    before: str = getattr(_doing, "verb", "")
    _doing.verb = verb
    return before


def commit(when: str) -> None:
    """The thread is ``before`` or ``after`` the COMMIT of its verb."""
    if _armed:
        reach(f"{getattr(_doing, 'verb', '')}.{when}_commit")
