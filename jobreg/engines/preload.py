"""What the forkserver loads before it forks the first child: our child, and no plugin, ever."""

import gc
import signal
import sys
from typing import Any

from multiprocess import parent_process, spawn

from ..signature import conversion, encoding
from . import child

# Once here, and not again in every child whose job has annotations.
__all__ = ["child", "conversion", "encoding"]

_prepare = spawn.prepare


_at_hangup = signal.getsignal(signal.SIGHUP)


def _prepare_each(told: dict[str, Any]) -> None:
    """Let what ended others end a process again: SIGHUP, and SIGTERM where it is none of ours.

    Processes of the application's own have this forkserver too.
    """
    signal.signal(signal.SIGHUP, _at_hangup)
    if told.get("name") != child.NAME:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    _prepare(told)


def _settle_in() -> None:
    """Make of this process one that only forks."""
    # A service manager sends SIGTERM to every process of a unit. Were the forkserver to die of it,
    # its children would die with it (PR_SET_PDEATHSIG) and cut short the drain; it ends with the
    # supervisor, when their pipe closes. So it is held back here, and for each child until that
    # says what it is to do there. Another thread, if something has started one, hears it in vain.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    signal.signal(signal.SIGTERM, lambda *_: None)
    # Nor of what a terminal that closes sends to all of an application, which may live on.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    spawn.prepare = _prepare_each
    # What is here stays for the life of every child: no collection need look at it, nor, by
    # writing into it, make a copy of its pages.
    gc.collect()
    gc.freeze()


# Whoever reads all our modules imports this one too, and nothing of it is for his process, nor for
# one that a forkserver has forked.
if parent_process() is None and any("multiprocess.forkserver" in each for each in sys.orig_argv):
    _settle_in()
