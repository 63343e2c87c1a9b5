"""Stores to measure on: a SQLite file, or a server of the tests that loses nothing when it falls.

The servers of the tests keep nothing safe, as tests want it; here they have the durability that
PostgreSQL and MariaDB have by default. A server of your own is used as the tests use it
(``JOBREG_TEST_POSTGRES``, ``JOBREG_TEST_MYSQL``), with whatever it is set to.
"""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import servers

from jobreg.store import open_store

KINDS = ("sqlite", "postgres", "mysql")


def kind(text: str) -> str:
    """An argument that names a kind of store."""
    if text not in KINDS:
        raise ArgumentTypeError(f"{text!r} is none of {', '.join(KINDS)}")
    return text


def some(text: str) -> int:
    """An argument that is a number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return int(text)


class Place:
    """Where new stores of one kind are made."""

    def __init__(self, kind: str, folder: Path, made: servers.Databases | None) -> None:
        self.kind = kind
        self.folder = folder
        self.databases = made
        self._number = 0

    def empty(self) -> str:
        """The URL of a new database without tables: for others than jobreg."""
        if self.databases is not None:
            return self.databases.empty()
        self._number += 1
        return f"sqlite:///{self.folder}/store{self._number}.db"

    def fresh(self) -> str:
        """The URL of a new store without rows."""
        if self.databases is not None:
            return self.databases.fresh()
        url = self.empty()
        open_store(url).close()
        return url


@contextmanager
def place(kind: str, **settings: str) -> Iterator[Place]:
    """A folder, or a server with these settings (PostgreSQL's), for stores of one kind."""
    with TemporaryDirectory(prefix="jobreg-bench-") as folder:
        made = None if kind == "sqlite" else _databases(kind, settings)
        try:
            yield Place(kind, Path(folder), made)
        finally:
            if made is not None:
                try:
                    made.drop()
                finally:
                    made.close()


def _databases(kind: str, settings: dict[str, str]) -> servers.Databases:
    own = servers.OWN[kind]
    if own:
        return servers.Databases(own, None)
    server: servers.Server
    if kind == "postgres":
        server = servers.PostgresServer(fsync="on", synchronous_commit="on", **settings)
    else:
        server = servers.MariaServer(
            "--innodb-flush-log-at-trx-commit=1", "--innodb-flush-method=O_DIRECT"
        )
    return servers.Databases(server.url, server)
