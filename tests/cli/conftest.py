"""A store with a run in each of three states, and one job installed that can be executed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import DONE, FAILED, NAME, QUEUED, TOKEN
from store_hands import Ending, add_worker, claim_one, outcome, settle

from jobreg.lifecycle import LogChunk, RunRecord
from jobreg.store import LogRow, Store, open_store
from jobreg.web.access import digest


@pytest.fixture(scope="session")
def _prepared_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("prepared") / "jobs.db"
    store = open_store(f"sqlite:///{file}")
    worker = add_worker(store)
    said = (LogChunk(1_800_000_000_000_000, "stdout", "INFO", None, "one line"),)
    for run_id, ending in ((DONE, Ending.SUCCEEDED), (FAILED, Ending.ERROR)):
        store.insert([RunRecord(run_id=run_id, job_name=NAME)])
        taken = claim_one(store, worker)
        store.write_logs(worker, [LogRow(run_id, taken.attempt, 1, said)])
        settle(store, worker, outcome(taken, ending))
    store.insert([RunRecord(run_id=QUEUED, job_name=NAME)])
    store.forget(worker)
    store.tokens.keep(digest(TOKEN), "read")
    store.close()
    return file


@pytest.fixture
def file(tmp_path: Path, _prepared_store: Path) -> Path:
    """The file of the store."""
    return Path(shutil.copy(_prepared_store, tmp_path / "jobs.db"))


@pytest.fixture
def kept(file: Path) -> Iterator[Store]:
    """The store itself."""
    opened = open_store(f"sqlite:///{file}")
    yield opened
    opened.close()


@pytest.fixture
def plugin(fake_plugins) -> Path:
    """Install one job; returns its entry_points.txt."""
    source = "def run(**params):\n    return params\n"
    return fake_plugins.add("acme-reports", "1.0", {NAME: "acme:run"}, {"acme.py": source})


@pytest.fixture
def environ(fake_plugins, plugin: Path, file: Path) -> dict[str, str]:
    """An environment with that job and that store."""
    return fake_plugins.env(JOBREG_STORE=str(file))


@pytest.fixture
def jobreg(run_cli, environ: dict[str, str]) -> Callable:
    """Run a command in that environment, as a process."""
    return lambda *arguments, **more: run_cli(*arguments, env={**environ, **more})
