"""Reads what SQLite reads, so that the system keeps it in memory while nothing happens."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

EVERY = 20.0
"""Seconds between two readings; what is not touched for a minute may be gone."""
MOST = 8 * 2**20
"""Bytes that are read of a file, from its front. Of the database that is where its tables and
indexes begin, and all of a small one; of the write-ahead log twice what it grows to by itself (one
that is larger is written from the front again once all of it is in the database).
"""


def keep_warm(database: Path) -> None:
    """Keep a SQLite file in memory, however long nobody else needs it; this never returns.

    A system that is short of memory, or set to be careful with it (DAMON_RECLAIM of Linux,
    docs.kernel.org/admin-guide/mm/damon/reclaim.html), takes back what was read of files a minute
    ago. The first run after a quiet minute then waits for the disk several times.

    Not for a process that uses the database: to close a file that SQLite has open as well drops the
    locks that it has there (sqlite.org/howtocorrupt.html, 2.2).
    """
    log = database.with_name(database.name + "-wal")
    while True:
        for path in (log, database):
            read(path)
        time.sleep(EVERY)


def read(path: Path) -> None:
    """Read the beginning of a file, where there is one."""
    room = bytearray(65536)
    with contextlib.suppress(OSError), path.open("rb", buffering=0) as file:
        for _ in range(0, MOST, len(room)):
            if not file.readinto(room):
                break
