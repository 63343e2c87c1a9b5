"""Open the store behind a URL."""

from __future__ import annotations

from sqlalchemy import URL

from ..errors import BadInput
from ..settings import absolute, schema_name
from . import schema, sqlite, sqlite_file, urls
from .database import Database
from .store import Store

# What may stand before the "://", and how we write it.
_SCHEMES = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "postgresql+psycopg": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "mysql+pymysql": "mysql",
    "mariadb+pymysql": "mysql",
}


def parts_of(url: str) -> URL:
    """The parts of a store URL, in our own words for its database.

    Raises:
        BadInput: the URL cannot be read, or names a database jobreg does not speak to.
    """
    parsed = urls.read(
        absolute(url), "store URL", "sqlite:////var/lib/app/jobs.db or postgresql://user@host/jobs"
    )
    if parsed.drivername not in _SCHEMES:
        raise BadInput(
            f"jobreg does not speak to {parsed.drivername[:80]}. "
            "Give a URL that begins with sqlite:///, postgresql://, mysql:// or mariadb://."
        )
    if "schema" in parsed.query:
        schema_name(parsed.query["schema"])
    return parsed.set(drivername=_SCHEMES[parsed.drivername])


def _database(url: URL, sqlite_sync: str) -> Database:
    if url.drivername == "postgresql":
        from . import postgresql

        return postgresql.make(url)
    if url.drivername == "mysql":
        from . import mysql

        return mysql.make(url)
    return sqlite.SQLite(url, sqlite.make_engine(url, sqlite_sync))


def exists(url: str) -> bool:
    """Is there a database at this URL? Makes none; of a server nothing is asked yet.

    Raises:
        BadInput: the URL cannot be read, or names a database jobreg does not speak to.
    """
    parsed = parts_of(url)
    return parsed.drivername != "sqlite" or sqlite_file.path_of(parsed).exists()


def open_store(url: str, *, sqlite_sync: str = "normal", check: bool = True) -> Store:
    """Open the store at a database URL, such as ``postgresql://user@host/jobs``.

    An empty SQLite file gets its tables on this first use; a database on a server gets them from
    ``jobreg store upgrade``, whose user may create tables. ``sqlite_sync`` is ``normal`` (safe
    against the death of processes; a power cut may lose the last commits) or ``full``. In a
    PostgreSQL URL ``?schema=NAME`` says which schema the tables are in. With ``check=False`` the
    tables are left as they are, for ``jobreg store``.

    Raises:
        BadInput: the URL cannot be read, or names a database jobreg does not speak to.
        StoreError: the driver of this database is not installed.
        StoreUnavailable: the database cannot be reached.
        SchemaMismatch: the tables are of another version, or not there yet.
    """
    parsed = parts_of(url)
    store = Store(_database(parsed, sqlite_sync))
    if check:
        schema.require(store)
    return store
