"""Reads what a database wrote last, so that the system keeps it in memory while nothing happens."""

from __future__ import annotations

import contextlib
from pathlib import Path

from .. import clock

EVERY = 20.0
"""Seconds between two readings; what is not touched for a minute may be gone."""
MOST = 8 * 2**20
"""Bytes that are read of a file, from its front: twice what a write-ahead log grows to by itself.
One that has grown larger is written from the front again once all of it is in the database.
"""


class Warmth:
    """Keeps one file in memory, however long nobody else needs it.

    A system that is short of memory, or set to be careful with it (DAMON_RECLAIM of Linux,
    docs.kernel.org/admin-guide/mm/damon/reclaim.html), takes back what was read of files a minute
    ago. The first run after a quiet minute then waits for the disk several times.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._due = 0.0
        self._room = bytearray(65536)

    def keep(self) -> None:
        """Read the beginning of the file again, where it is time to and there is one."""
        now = clock.seconds()
        if now < self._due:
            return
        self._due = now + EVERY
        with contextlib.suppress(OSError), self._path.open("rb", buffering=0) as file:
            for _ in range(0, MOST, len(self._room)):
                if not file.readinto(self._room):
                    break
