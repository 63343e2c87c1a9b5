"""What Linux tells of processes (proc(5)): their state, and who holds SQLite's write lock."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_WRITE_LOCK = 120
"""The byte of the file with the name's end -shm that a writer locks (sqlite.org/walformat.html)."""


def stat(pid: int) -> tuple[str, str]:
    """The state of a process, one letter, and when it started, in ticks since boot.

    Raises:
        OSError: there is no such process, or nobody can say.
    """
    # The command's name may hold anything, parentheses too: fields count from the last one.
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return fields[0], fields[19]


def is_stopped(pid: int) -> bool:
    """Is this process certainly stopped by a signal, as by SIGSTOP or Ctrl-Z?"""
    try:
        return stat(pid)[0] == "T"
    except (OSError, IndexError):
        return False


def writer(database: Path) -> int | None:
    """The process that holds the write lock of a SQLite database; None: nobody, or it is untold."""
    try:
        whole = database.resolve()  # what SQLite has beside a file it has beside where that lies
        inode = whole.with_name(whole.name + "-shm").stat().st_ino
        return writer_among(Path("/proc/locks").read_text().splitlines(), inode)
    except (OSError, ValueError):
        return None


def writer_among(lines: Iterable[str], inode: int) -> int | None:
    """Who has the write lock in the file of this inode, by the lines of ``/proc/locks``.

    Raises:
        ValueError: a line is not as proc(5) says.
    """
    for line in lines:
        # "1: POSIX  ADVISORY  WRITE 4711 08:02:1234 120 120"; who waits has "->" after the number.
        fields = line.split()
        if fields[1:4:2] != ["POSIX", "WRITE"] or "EOF" in fields:
            continue
        pid, place, first, last = fields[4:]
        if int(place.rpartition(":")[2]) != inode or int(pid) <= 0:
            continue  # of another file, or of a process in another pid namespace
        if int(first) <= _WRITE_LOCK <= int(last):  # locks side by side are told as one
            return int(pid)
    return None
