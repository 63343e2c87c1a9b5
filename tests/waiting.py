"""Waiting for what must happen, with a deadline; the only place where tests sleep."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], within: float = 20.0, what: str = "") -> T:
    """Return the first true answer of ``condition``; fail after ``within`` seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {what or condition}")
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Is there a process of this id that is not a zombie?"""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def descriptors(pid: int) -> list[str]:
    """What a process has open, a path each; what it closes while this looks is left out."""
    folder, found = f"/proc/{pid}/fd", []
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"{folder}/{name}"))
    return found


def pids_in(file: Path, number: int = 1) -> list[int] | None:
    """The process ids a job wrote to a file, once there are that many."""
    try:
        found = [int(word) for word in file.read_text().split()]
    except (OSError, ValueError):
        return None
    return found if len(found) >= number else None
