"""SIGTERM and Ctrl-C tell a worker to stop, where it runs in the thread that gets them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_STOPPING = (signal.SIGTERM, signal.SIGINT)


def in_main_thread() -> bool:
    """Is this the thread that gets the signals?"""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def heard(tell: Callable[[], None]) -> Iterator[None]:
    """Call ``tell`` at each signal meanwhile; in another than the main thread, do nothing.

    It must take no lock: the signal may come while this thread holds it.
    """
    if not in_main_thread():
        yield
        return

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        tell()

    before = {each: signal.signal(each, on_signal) for each in _STOPPING}
    # One that came during the start, and was held back, comes now.
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
