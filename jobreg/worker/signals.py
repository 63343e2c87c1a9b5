"""SIGTERM, Ctrl-C and a closed terminal tell a worker to stop, where its thread gets signals."""

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

    It must take no lock: the signal may come while this thread holds it. A terminal that closes
    (SIGHUP) may say so several times, and beside a SIGTERM: together they count as one, where it
    is not to be ignored (nohup) nor heard by the application.
    """
    if not in_main_thread():
        yield
        return

    told = hung_up = False

    def on_signal(number: int, _frame: FrameType | None) -> None:
        nonlocal told, hung_up
        if number == signal.SIGHUP:
            counts, hung_up = not (told or hung_up), True
        else:  # the first beside a hang-up, before or behind it, is no second one
            counts, told = told or not hung_up, True
        if counts:
            tell()

    hangs_up = signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    numbers = (*_STOPPING, signal.SIGHUP) if hangs_up else _STOPPING
    before = {each: signal.signal(each, on_signal) for each in numbers}
    # One that came during the start, and was held back, comes now.
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
