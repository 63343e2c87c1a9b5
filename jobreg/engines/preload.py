"""What the forkserver loads before it forks the first child: our child, and no plugin, ever."""

import gc
import signal

from ..signature import conversion, encoding
from . import child

# Once here, and not again in every child whose job has annotations.
__all__ = ["child", "conversion", "encoding"]

# A service manager sends SIGTERM to every process of a unit. Were the forkserver to die of it, its
# children would die with it (PR_SET_PDEATHSIG) and cut short the drain; it ends with the
# supervisor, when their pipe closes.
signal.signal(signal.SIGTERM, signal.SIG_IGN)

# What is here stays for the life of every child: no collection need look at it, nor, by writing
# into it, make a copy of its pages.
gc.collect()
gc.freeze()
