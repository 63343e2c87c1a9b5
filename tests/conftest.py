"""What the tests share: plugins without pip, and the command line as a process of its own."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import servers
from environs import clean_environ
from warm_start import Warm

from jobreg.store import open_store
from jobreg.testing import write_plugin

# No test asks who a server is; PyMySQL reads all authorities for each connection, for 50 ms.
os.environ["SSL_CERT_FILE"] = os.devnull

RunCli = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_collection_finish() -> None:
    """What is here now stays: no collection of the tests' need look at it, nor a fork copy it."""
    gc.collect()
    gc.freeze()


class FakePlugins:
    """A folder of distributions written by hand, in which everything can be as wrong as wanted."""

    def __init__(self, path: Path, home: Path) -> None:
        self.path = path
        self.home = home

    def add(
        self,
        dist: str,
        version: str = "1.0",
        jobs: Mapping[str, str] | None = None,
        modules: Mapping[str, str] | None = None,
        *,
        folder: str = "",
    ) -> Path:
        """Write a distribution and its modules; returns its entry_points.txt."""
        place = self.path / folder
        return write_plugin(place, jobs or {}, dist=dist, version=version, modules=modules)

    def add_raw(self, dist: str, version: str, data: bytes, *, folder: str = "") -> Path:
        """Write a distribution whose entry_points.txt holds exactly these bytes."""
        file = self.add(dist, version, folder=folder)
        file.write_bytes(data)
        return file

    def env(self, **more: str) -> dict[str, str]:
        """An environment in which a subprocess has these distributions installed."""
        return {**clean_environ(self.home), "PYTHONPATH": str(self.path), **more}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may use jobreg too."""
    for name in [name for name in os.environ if name.startswith("JOBREG_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # it would unbuffer C's stdout as well


@pytest.fixture
def fake_plugins(tmp_path: Path) -> FakePlugins:
    path = tmp_path / "site"
    path.mkdir()
    return FakePlugins(path, tmp_path / "home")


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Starts the command line without importing everything anew."""
    made = Warm()
    yield made
    made.close()


@pytest.fixture
def run_cli(tmp_path: Path, warm: Warm) -> RunCli:
    """``run_cli("jobs", "list", env=..., check=True)`` as a process of its own."""

    def run(
        *arguments: str,
        env: Mapping[str, str] | None = None,
        check: bool = False,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        environ = env if env is not None else clean_environ(tmp_path / "home")
        done = warm.run(arguments, environ, tmp_path, timeout=timeout)
        if check:
            done.check_returncode()
        return done

    return run


DATABASES = ("sqlite", "postgres", "mysql")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with our tables: migrating each time would cost seconds."""
    template = tmp_path_factory.mktemp("prepared") / "jobs.db"
    open_store(f"sqlite:///{template}").close()
    return template


@pytest.fixture(scope="session")
def _postgres() -> Iterator[servers.Databases]:
    found = servers.databases("postgres")
    yield found
    found.close()


@pytest.fixture(scope="session")
def _mysql() -> Iterator[servers.Databases]:
    found = servers.databases("mysql")
    yield found
    found.close()


@pytest.fixture
def postgres(_postgres: servers.Databases) -> Iterator[servers.Databases]:
    """A PostgreSQL server that gives databases."""
    yield _postgres
    _postgres.drop()


@pytest.fixture
def mysql(_mysql: servers.Databases) -> Iterator[servers.Databases]:
    """A MariaDB server that gives databases."""
    yield _mysql
    _mysql.drop()


@pytest.fixture(params=DATABASES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, on each database in turn."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("prepared"), tmp_path / "jobs.db")
        return f"sqlite:///{tmp_path / 'jobs.db'}"
    url: str = request.getfixturevalue(request.param).for_tests()
    return url


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables, on each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    url: str = request.getfixturevalue(request.param).empty()
    return url
