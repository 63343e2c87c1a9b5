"""A client on a store of its own, where two jobs are installed as metadata only: no code."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_hands import add_worker

from jobreg import Client, Registry
from jobreg.store import open_store

JOBS = {"reports.render": "acme.render:run", "reports.profile": "acme.profile:run"}


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("prepared") / "jobs.db"
    open_store(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def file(tmp_path: Path, _prepared: Path) -> Path:
    return Path(shutil.copy(_prepared, tmp_path / "jobs.db"))


@pytest.fixture
def registry(fake_plugins) -> Registry:
    fake_plugins.add("acme-reports", "1.0", JOBS)
    return Registry(path=[str(fake_plugins.path)])


@pytest.fixture
def client(file: Path, registry: Registry) -> Iterator[Client]:
    made = Client(store=str(file), registry=registry)
    yield made
    made.close()


@pytest.fixture
def worker(client: Client) -> str:
    """The id of a live worker that provides reports.render and serves all queues."""
    return add_worker(client.store)
