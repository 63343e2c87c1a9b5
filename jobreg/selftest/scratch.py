"""A store of the soak's own, in the user's database: made before it, dropped after it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..store import Store, open_store, schema

EFFECTS = "jobreg_selftest_effects"


def effects_table(store: Store) -> str:
    """The table that the transactional job writes to, as a statement names it."""
    inside = store.database.schema
    return EFFECTS if inside is None else f'"{inside}".{EFFECTS}'


@contextmanager
def scratch_store(url: str) -> Iterator[Store]:
    """An empty store beside the one of this URL: a file, a PostgreSQL schema, a MySQL database.

    Raises:
        StoreError: the database cannot be reached, or this user may make no such thing there.
    """
    given = open_store(url, check=False)
    name = f"jobreg_selftest_{os.urandom(4).hex()}"
    kind, place = given.engine.dialect.name, given.database.url
    folder: str | None = None
    ways: tuple[str, ...] = ()
    if kind == "sqlite":
        beside = Path(place.database or "").absolute().parent
        beside.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix=name, dir=beside)
        there = f"sqlite:///{folder}/selftest.db"
    elif kind == "postgresql":
        there = place.update_query_dict({"schema": name}).render_as_string(hide_password=False)
        ways = ("", f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
    else:
        there = place.set(database=name).render_as_string(hide_password=False)
        ways = (f"CREATE DATABASE {name}", f"DROP DATABASE {name}")
    made: Store | None = None
    try:
        _say(given, ways[:1])
        made = open_store(there, check=False)
        schema.upgrade(made)
        _say(made, [f"CREATE TABLE {effects_table(made)} (run_id VARCHAR(36), attempt INTEGER)"])
        yield made
    finally:
        if made is not None:
            made.close()
        _say(given, ways[1:])
        given.close()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _say(store: Store, statements: Sequence[str]) -> None:
    for statement in statements:
        if statement:
            with store.writing() as connection:
                connection.exec_driver_sql(statement)
