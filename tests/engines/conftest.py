"""An engine of processes, on each way to start a child."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_hands import Driver, Groups
from hostile_jobs import JOBS, SOURCE

from jobreg import settings
from jobreg.engines.processes import ProcessEngine
from jobreg.testing import write_plugin


@pytest.fixture(params=["forkserver", "spawn"])
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def groups() -> Groups:
    return Groups()


@pytest.fixture
def max_log() -> int:
    """Bytes kept of a run's output; tests that need another number override it."""
    return settings.Settings(store="").max_log


@pytest.fixture
def concurrency() -> int:
    """How many children there may be."""
    return 1


@pytest.fixture
def driver(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    groups: Groups,
    max_log: int,
    concurrency: int,
) -> Iterator[Driver]:
    folder = tmp_path / "plugin"
    write_plugin(folder, JOBS, dist="hostile", modules={"hostile_jobs_plugin.py": SOURCE})
    monkeypatch.syspath_prepend(str(folder))
    chosen = settings.load(
        store=str(tmp_path / "jobs.db"), concurrency=concurrency, kill_grace=0.5, max_log=max_log
    )
    engine = ProcessEngine(chosen, groups, method=method)
    engine.start()
    yield Driver(engine)
    engine.close()
    assert not groups.watched, "a child's group was never reported as ended"
