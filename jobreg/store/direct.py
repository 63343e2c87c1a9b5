"""The first submits of a process to a SQLite file, by the driver alone.

Importing SQLAlchemy takes longer than all the rest of a script that submits one run.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from .. import failpoints
from ..catalogue import Known
from ..lifecycle import RunRecord
from . import forking, known, sqlite_submit
from .version import VERSION, VERSION_TABLE

_PREFIX = "sqlite:///"
_BUSY_SECONDS = 0.5
"""Seconds for which a lock is waited for here; the store, which is asked next, waits as ever."""


Prepare = Callable[[Known], RunRecord]


def is_missing(url: str) -> bool:
    """Is this the URL of a SQLite file that is not there? No, where that is not plain to see."""
    path = _plain_path(url)
    return path is not None and not Path(path).exists()


def _plain_path(url: str) -> str | None:
    path = url.removeprefix(_PREFIX)
    plain = url.startswith(_PREFIX) and path and "?" not in path and path != ":memory:"
    return path if plain else None


def insert(url: str, sync: str, run: RunRecord, prepare: Prepare) -> RunRecord | None:
    """Store one new run in an existing SQLite store and return it as it stands.

    ``prepare`` is given what is known of the job; it returns the run as it is to be stored, or
    raises where the run is refused.

    Returns None, and leaves nothing behind, wherever this is not the plain case: another
    database, no file or another schema yet, an id that is there, a unique key, any error.
    ``Store.insert`` then decides, and finds the words.
    """
    path = _plain_path(url)
    if path is None:
        return None
    try:
        # As a URI, because only so does SQLite not make a file that is missing.
        uri = f"file:{quote(path)}?mode=rw"
        with (
            forking.inside(),
            closing(
                sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
            ) as connection,
        ):
            connection.execute(f"PRAGMA synchronous={sync.upper()}")
            return _insert(connection, run, prepare)
    except sqlite3.Error:
        return None


def _insert(connection: sqlite3.Connection, run: RunRecord, prepare: Prepare) -> RunRecord | None:
    rows = connection.execute(known.words("?"), (run.job_name, run.job_name)).fetchall()
    prepared = prepare(known.Remembered().of(run.job_name, rows))
    if prepared.unique_key is not None:
        return None
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
    if version is None or version[0] != VERSION:
        return None
    stored = sqlite_submit.insert_one(connection.execute, sqlite_submit.clock(), prepared)
    before = failpoints.begin("insert")
    try:
        failpoints.commit("before")
        connection.execute("COMMIT")
        failpoints.commit("after")
    finally:
        failpoints.begin(before)
    return stored
