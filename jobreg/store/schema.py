"""The version of a store's schema: read it, require it, upgrade it (Alembic, imported late)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, MetaData, String, Table, inspect, select

from ..errors import BadInput, SchemaMismatch, StoreError
from .transacting import again
from .version import VERSION, VERSION_TABLE

__all__ = ["VERSION", "pending", "require", "upgrade", "version_of"]

if TYPE_CHECKING:
    from .store import Store

_version_table = Table(VERSION_TABLE, MetaData(), Column("version_num", String))
_its_version = select(_version_table.c.version_num)


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
        return connection.execute(_its_version).scalar()


def _is_spoken(version: str) -> bool:
    """Can this code work on a schema: its own, or the one after it, which only adds to it?"""
    return version.isdecimal() and int(version) - int(VERSION) in (0, 1)


def _check_target(store: Store, version: str) -> None:
    known = [each for each, _ in pending(None)]
    if version not in known:
        raise BadInput(f"--to {version[:80]!r} is none of the versions {', '.join(known)}.")
    there = version_of(store)
    if there is not None and there > version:
        raise BadInput(
            f"The store {store.url} has schema version {there}; it cannot go back to {version}: "
            "versions only add, and what was written since would be lost. Code of the version "
            "before works on it as it is; for an older one restore a backup."
        )


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


def _config() -> Any:
    with _tolerant_entry_points():
        from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "jobreg.store:migrations")
    config.set_main_option("path_separator", "os")
    return config


def pending(version: str | None) -> list[tuple[str, str]]:
    """The versions that an upgrade from this one would bring, each with what it is about.

    None is a store without tables. Of a version this code does not know nothing is pending.
    """
    config = _config()
    from alembic.script import ScriptDirectory
    from alembic.script.revision import RevisionError
    from alembic.util import CommandError

    try:
        steps = ScriptDirectory.from_config(config).iterate_revisions("head", version or "base")
        found = [(each.revision, each.doc.splitlines()[0]) for each in steps]
    except (CommandError, RevisionError):
        return []
    return found[::-1]


@again
def upgrade(store: Store, version: str = "head") -> str | None:
    """Bring the schema to the version of this code, in one transaction, one upgrader at a time.

    Returns the version it had when it was this upgrader's turn; None where it had no tables.

    Another ``version`` than the newest leaves it there, for releases that are rolled out in steps.

    Raises:
        BadInput: the version is an older one than the store has, or there is no such version.
        SchemaMismatch: the store is of a version this code does not know.
    """
    config = _config()
    from alembic.command import upgrade
    from alembic.util import CommandError

    if version != "head":
        _check_target(store, version)
    with store.writing() as connection:
        store.database.begin_alone(connection)
        # Another process may have upgraded it while this one waited for its turn.
        there = inspect(connection).has_table(VERSION_TABLE, store.database.schema)
        before = connection.execute(_its_version).scalar() if there else None
        config.attributes["connection"] = connection
        try:
            upgrade(config, version)
        except CommandError as error:
            raise SchemaMismatch(
                f"The store {store.url} has a schema this jobreg does not know ({error}). "
                "It was made by a newer jobreg: upgrade jobreg here."
            ) from error
    return before
