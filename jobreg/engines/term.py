"""SIGTERM in a child: it is heard by a handler of ours, which no process that a job forks keeps."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from signal import SIG_BLOCK, SIG_SETMASK, SIGTERM, pthread_sigmask
from types import FrameType


def hear_term(handler: Callable[[int, FrameType | None], None]) -> None:
    """Have SIGTERM heard by a handler; in a process that a job forks it ends that, as elsewhere.

    ``Process.terminate()`` would have no effect there, and a pool of processes would wait for ever
    for its end. One that comes while the process is being made waits until it is one of its own.
    A handler that the job has set itself stays.
    """
    signal.signal(SIGTERM, handler)
    before = threading.local()

    def hold() -> None:
        before.mask = pthread_sigmask(SIG_BLOCK, {SIGTERM})

    def go_on() -> None:
        pthread_sigmask(SIG_SETMASK, before.mask)

    def let_go() -> None:
        if signal.getsignal(SIGTERM) is handler:
            signal.signal(SIGTERM, signal.SIG_DFL)
        go_on()

    os.register_at_fork(before=hold, after_in_parent=go_on, after_in_child=let_go)
