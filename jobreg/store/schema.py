"""The version of a store's schema: read it, require it, upgrade it (Alembic, imported late)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, MetaData, String, Table, inspect, select

from ..errors import SchemaMismatch, StoreError
from .version import VERSION, VERSION_TABLE

__all__ = ["VERSION", "require", "upgrade", "version_of"]

if TYPE_CHECKING:
    from .store import Store

_version_table = Table(VERSION_TABLE, MetaData(), Column("version_num", String))


def version_of(store: Store) -> str | None:
    """The version of the schema in the database; None where there is no schema yet."""
    try:
        return _version(store)
    except StoreError:
        # Another transaction: to PostgreSQL the one with the error is over.
        with store.reading() as connection:
            if not inspect(connection).has_table(VERSION_TABLE, store.database.schema):
                return None
    return _version(store)  # another process made the tables meanwhile


def _version(store: Store) -> str | None:
    with store.reading() as connection:
        return connection.execute(select(_version_table.c.version_num)).scalar()


def _is_spoken(version: str) -> bool:
    """Can this code work on a schema: its own, or the one after it, which only adds to it?"""
    return version.isdecimal() and int(version) - int(VERSION) in (0, 1)


def require(store: Store) -> None:
    """See that this code can work on the schema; make it in an empty SQLite file.

    Raises:
        SchemaMismatch: it is another one; the message says what to do.
    """
    version = version_of(store)
    if version is None and store.database.makes_itself:
        upgrade(store)
    elif version is None:
        raise SchemaMismatch(
            f"The store {store.url} has no tables of jobreg yet. Make them with: "
            "jobreg store upgrade, as a user who may create tables."
        )
    elif not _is_spoken(version):
        raise SchemaMismatch(
            f"The store {store.url} has schema version {version}; this jobreg needs {VERSION}. "
            "If the store is older, run: jobreg store upgrade. If it is newer, upgrade jobreg."
        )


@contextmanager
def _tolerant_entry_points() -> Iterator[None]:
    """Let other packages' malformed metadata not keep Alembic from being imported.

    It looks for plugins of its own when it is imported, by ``importlib.metadata.entry_points``,
    which raises at the first bad line or byte in any distribution. Then it gets none.
    """
    from importlib import metadata

    strict = metadata.entry_points

    def tolerant(**params: Any) -> Any:
        try:
            return strict(**params)
        except Exception:
            return metadata.EntryPoints(())

    metadata.entry_points = tolerant
    try:
        yield
    finally:
        metadata.entry_points = strict


def upgrade(store: Store, version: str = "head") -> None:
    """Bring the schema to the version of this code, in one transaction, one upgrader at a time.

    Another ``version`` than the newest is for tests of upgrades.

    Raises:
        SchemaMismatch: the store is of a version this code does not know.
    """
    with _tolerant_entry_points():
        from alembic.command import upgrade
        from alembic.config import Config
        from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "jobreg.store:migrations")
    config.set_main_option("path_separator", "os")
    with store.writing() as connection:
        store.database.begin_upgrade(connection)
        config.attributes["connection"] = connection
        try:
            upgrade(config, version)
        except CommandError as error:
            raise SchemaMismatch(
                f"The store {store.url} has a schema this jobreg does not know ({error}). "
                "It was made by a newer jobreg: upgrade jobreg here."
            ) from error
