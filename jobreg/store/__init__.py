"""Where runs are kept. ``open_store(url)`` gives the verbs; nothing outside speaks SQL."""

from __future__ import annotations

from functools import partial

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..errors import BadInput
from . import schema, sqlite
from .claiming import Offer
from .records import Depth, Load, WorkerRow
from .store import Store

__all__ = ["Depth", "Load", "Offer", "Store", "WorkerRow", "exists", "open_store"]


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise BadInput(
            f"{url[:200]!r} is not a store URL. Give one such as sqlite:////var/lib/app/jobs.db."
        ) from error
    if backend != "sqlite":
        raise BadInput(f"jobreg does not speak to {backend} yet; give a sqlite:/// URL.")
    return parsed


def exists(url: str) -> bool:
    """Is there a database at this URL? Makes none.

    Raises:
        BadInput: the URL cannot be read, or names a database jobreg does not speak to.
    """
    return sqlite.path_of(_parsed(url)).exists()


def open_store(url: str, *, sqlite_sync: str = "normal", check: bool = True) -> Store:
    """Open the store at a database URL, such as ``sqlite:////var/lib/app/jobs.db``.

    An empty SQLite file gets its tables on this first use. ``sqlite_sync`` is ``normal`` (safe
    against the death of processes; a power cut may lose the last commits) or ``full``. With
    ``check=False`` the schema is left as it is, for ``jobreg store``.

    Raises:
        BadInput: the URL cannot be read, or names a database jobreg does not speak to.
        StoreUnavailable: the database cannot be reached.
        SchemaMismatch: the schema is of another version.
    """
    parsed = _parsed(url)
    engine = sqlite.make_engine(parsed, sqlite_sync)
    store = Store(engine, sqlite.NOW, partial(sqlite.Watch, parsed))
    if check:
        schema.require(store)
    return store
