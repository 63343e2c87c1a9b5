"""The job that is measured: it does nothing, and says where."""

from __future__ import annotations

import os


def noop(number: int) -> list[int]:
    """Return what was given, and the process it was given to."""
    return [number, os.getpid()]
