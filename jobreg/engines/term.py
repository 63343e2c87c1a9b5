"""SIGTERM in a child: it is heard by a handler of ours, which no process that a job forks keeps."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType


def hear_term(handler: Callable[[int, FrameType | None], None]) -> None:
    """Have SIGTERM heard by a handler; in a process that a job forks it ends that, as elsewhere.

    ``Process.terminate()`` would have no effect there, and a pool of processes would wait for ever
    for its end. A handler that the job has set itself stays.
    """
    signal.signal(signal.SIGTERM, handler)

    def let_go() -> None:
        if signal.getsignal(signal.SIGTERM) is handler:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    os.register_at_fork(after_in_child=let_go)
