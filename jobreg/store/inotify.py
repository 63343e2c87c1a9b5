"""Linux tells at once that a file was written (inotify(7)); elsewhere nobody does."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

_IN_MODIFY = 0x2
_READ = 4096


class FileNews:
    """A descriptor that can be read once the file was written to.

    Raises:
        OSError: the system has no such thing, or no more of it, or there is no such file.
    """

    def __init__(self, path: Path) -> None:
        if sys.platform != "linux":
            raise OSError(errno.ENOSYS, "inotify is of Linux")
        library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        if library.inotify_add_watch(self._descriptor, os.fsencode(path), _IN_MODIFY) < 0:
            self.close()
            raise OSError(ctypes.get_errno(), "inotify_add_watch")

    def fileno(self) -> int:
        """The descriptor."""
        return int(self._descriptor)

    def take(self) -> bool:
        """Was the file written to since the last call?"""
        try:
            return bool(os.read(self._descriptor, _READ))
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Let go of the descriptor."""
        os.close(self._descriptor)
