"""Where runs are kept. ``open_store(url)`` gives the verbs; nothing outside speaks SQL.

The names are loaded on first use (PEP 562): they import SQLAlchemy, and :mod:`.direct` must not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

_HOME = {
    "Depth": "records",
    "Load": "records",
    "LogRow": "records",
    "Offer": "offers",
    "Pause": "records",
    "Store": "store",
    "WorkerRow": "records",
    "exists": "opening",
    "open_store": "opening",
}

__all__ = [
    "Depth",
    "Load",
    "LogRow",
    "Offer",
    "Pause",
    "Store",
    "WorkerRow",
    "exists",
    "open_store",
]

if TYPE_CHECKING:
    from .offers import Offer
    from .opening import exists, open_store
    from .records import Depth, Load, LogRow, Pause, WorkerRow
    from .store import Store


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'jobreg.store' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value
