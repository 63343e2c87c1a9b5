"""The version of a store's schema: read it, require it, upgrade it (Alembic, imported late)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import OperationalError

from ..errors import SchemaMismatch
from .version import VERSION, VERSION_TABLE

__all__ = ["VERSION", "require", "upgrade", "version_of"]

if TYPE_CHECKING:
    from .store import Store


def version_of(store: Store) -> str | None:
    """The version of the schema in the database; None where there is no schema yet."""
    with store.reading() as connection:
        return _version(connection)


def _version(connection: Connection) -> str | None:
    query = text(f"SELECT version_num FROM {VERSION_TABLE}")
    try:
        return connection.execute(query).scalar()
    except OperationalError:
        if not inspect(connection).has_table(VERSION_TABLE):
            return None
    return connection.execute(query).scalar()  # another process made the tables meanwhile


def require(store: Store) -> None:
    """See that the schema is the one this code was written for; make it in an empty file.

    Raises:
        SchemaMismatch: it is another one; the message says what to do.
    """
    version = version_of(store)
    if version is None:
        upgrade(store)
    elif version != VERSION:
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
        config.attributes["connection"] = connection
        try:
            upgrade(config, version)
        except CommandError as error:
            raise SchemaMismatch(
                f"The store {store.url} has a schema this jobreg does not know ({error}). "
                "It was made by a newer jobreg: upgrade jobreg here."
            ) from error
