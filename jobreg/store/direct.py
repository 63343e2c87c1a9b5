"""The first submits of a process to a SQLite file, by the driver alone.

Importing SQLAlchemy takes longer than all the rest of a script that submits one run. The files in
``sql/sqlite`` are what the statements of :mod:`.statements` compile to; a test holds them equal.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from urllib.parse import quote

from ..catalogue import ParamsSchema
from ..lifecycle import RunRecord
from . import records
from .version import VERSION, VERSION_TABLE

_PREFIX = "sqlite:///"
_SQL = Path(__file__).with_name("sql") / "sqlite"
_BUSY_SECONDS = 5.0


Judge = Callable[[list[ParamsSchema]], None]


def is_missing(url: str) -> bool:
    """Is this the URL of a SQLite file that is not there? No, where that is not plain to see."""
    path = _plain_path(url)
    return path is not None and not Path(path).exists()


def _plain_path(url: str) -> str | None:
    path = url.removeprefix(_PREFIX)
    plain = url.startswith(_PREFIX) and path and "?" not in path and path != ":memory:"
    return path if plain else None


def insert(url: str, sync: str, run: RunRecord, judge: Judge) -> RunRecord | None:
    """Store one new run in an existing SQLite store and return it as it stands.

    ``judge`` is given what is known of the job's parameters, and raises where it refuses the run.

    Returns None, and leaves nothing behind, wherever this is not the plain case: another
    database, no file or another schema yet, an id that is there, an error of any kind.
    ``Store.insert`` then decides, and finds the words.
    """
    path = _plain_path(url)
    if path is None:
        return None
    try:
        # As a URI, because only so does SQLite not make a file that is missing.
        uri = f"file:{quote(path)}?mode=rw"
        with closing(
            sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
        ) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute(f"PRAGMA synchronous={sync.upper()}")
            return _insert(connection, run, judge)
    except sqlite3.Error:
        return None


def _insert(connection: sqlite3.Connection, run: RunRecord, judge: Judge) -> RunRecord | None:
    row = records.run_columns(run)
    known = connection.execute(_statement("schemas_of_job"), row).fetchall()
    judge([records.params_schema_of(dict(each)) for each in known])
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
    if version is None or version[0] != VERSION:
        return None
    connection.execute(_statement("insert_runs"), row)
    connection.execute(_statement("insert_live"), row)
    stored = connection.execute(_statement("run_by_id"), row).fetchone()
    connection.execute("COMMIT")
    return records.run_of(dict(stored))


@cache
def _statement(name: str) -> str:
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")
