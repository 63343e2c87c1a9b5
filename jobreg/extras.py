"""What comes with an extra alone: imported where it is used, and told how to get it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .errors import JobRegError


def load(name: str, what: str, extra: str, error: type[JobRegError] = JobRegError) -> Any:
    """Import a package that an extra brings; ``what`` needs it.

    Raises:
        JobRegError: it is not installed (an ``error``, which may be a kind of its own); the
            message names the extra that brings it.
    """
    try:
        return import_module(name)
    except ImportError as missing:
        why = next((line for line in str(missing).splitlines() if line.strip()), "").rstrip(".")
        raise error(
            f"{what} needs the package {name}, which is missing ({why}). "
            f"Install it with: pip install 'jobreg[{extra}]'"
        ) from missing
