"""How much memory a process has, as Linux says it in proc(5); None where nobody can say."""

from __future__ import annotations

from pathlib import Path


def resident(pid: int) -> int | None:
    """Bytes that a process has in memory now."""
    return _field(pid, "VmRSS")


def peak(pid: int) -> int | None:
    """The most bytes that a process has had in memory."""
    return _field(pid, "VmHWM")


def _field(pid: int, name: str) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    return None  # of a process that has ended
