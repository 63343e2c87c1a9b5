"""A store for a while, in the user's database: made beside the given one, dropped afterwards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import StoreUnavailable
from . import schema
from .opening import open_store, parts_of
from .sqlite_file import path_of
from .store import Store


@contextmanager
def scratch_store(url: str, *, sqlite_sync: str = "normal") -> Iterator[Store]:
    """An empty store beside the one of this URL: a file, a PostgreSQL schema, a MySQL database.

    Raises:
        StoreError: the database cannot be reached, or this user may make no such thing there.
    """
    name = f"jobreg_scratch_{os.urandom(16).hex()}"
    place = parts_of(url)
    if place.drivername == "sqlite":
        with _beside(path_of(place), name) as file, _made(f"sqlite:///{file}", sqlite_sync) as made:
            yield made
        return
    given = open_store(url, check=False)
    if place.drivername == "postgresql":
        there = place.update_query_dict({"schema": name}).render_as_string(hide_password=False)
        ways = ("", f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
    else:
        there = place.set(database=name).render_as_string(hide_password=False)
        ways = (f"CREATE DATABASE {name}", f"DROP DATABASE {name}")
    try:
        _say(given, ways[0])
        try:
            with _made(there) as made:
                yield made
        finally:
            _say(given, ways[1])
    finally:
        given.close()


@contextmanager
def _beside(path: Path, name: str) -> Iterator[str]:
    """A file in a folder of its own, beside this one. Of what is made for it, nothing stays."""
    beside, folder = path.parent, path.parent / name
    missing = [each for each in (beside, *beside.parents) if not each.exists()]
    try:  # from before there is one: the moment it is there, somebody may interrupt us
        try:
            beside.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700)
        except OSError as error:
            why = "Not a directory" if beside.exists() and not beside.is_dir() else error.strerror
            raise StoreUnavailable(
                f"A scratch store in {str(beside)!r} cannot be opened: {why}. Give a --store in a "
                "folder that you may write to."
            ) from error
        yield f"{folder}/scratch.db"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # somebody else has put something there
            for each in missing:
                each.rmdir()


@contextmanager
def _made(url: str, sqlite_sync: str = "normal") -> Iterator[Store]:
    """A store with our tables."""
    made = open_store(url, sqlite_sync=sqlite_sync, check=False)
    try:
        schema.upgrade(made)
        yield made
    finally:
        made.close()


def _say(store: Store, statement: str) -> None:
    if statement:
        with store.writing() as connection:
            connection.exec_driver_sql(statement)
