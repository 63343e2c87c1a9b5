"""A store, its client, and workers in threads of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_jobs import JOBS, SOURCE

from jobreg import Client, Registry, Worker

StartWorker = Callable[..., Worker]


@pytest.fixture
def registry(fake_plugins: Any, monkeypatch: pytest.MonkeyPatch) -> Registry:
    fake_plugins.add("hostile", "1.0", JOBS, {"hostile_jobs_plugin.py": SOURCE})
    monkeypatch.syspath_prepend(str(fake_plugins.path))
    return Registry(path=[str(fake_plugins.path)])


@pytest.fixture
def client(tmp_path: Path, registry: Registry) -> Iterator[Client]:
    made = Client(str(tmp_path / "jobs.db"), registry)
    yield made
    made.close()


@pytest.fixture
def start_worker(client: Client) -> Iterator[StartWorker]:
    workers: list[Worker] = []

    def start(**options: Any) -> Worker:
        options = {"concurrency": 2, "registry": client.registry, **options}
        workers.append(Worker(client.settings.store, **options).start())
        return workers[-1]

    yield start
    for worker in workers:
        worker.stop(wait=False)
        worker.stop()
