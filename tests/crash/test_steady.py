"""A supervisor that has had very many runs is as large as one that has had few."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_jobs import JOBS, SOURCE
from waiting import until

from jobreg import Client, Registry

FEW = 1_000
MIB = 2**20
AT_MOST = 10 * MIB


@pytest.fixture
def client(tmp_path: Path, fake_plugins: Any) -> Iterator[Client]:
    fake_plugins.add("hostile", "1.0", JOBS, {"hostile_jobs_plugin.py": SOURCE})
    made = Client(str(tmp_path / "jobs.db"), Registry(path=[str(fake_plugins.path)]))
    yield made
    made.close()


@pytest.fixture
def worker(client: Client, fake_plugins: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "jobreg", "worker", "--concurrency", "2"],
        env=fake_plugins.env(JOBREG_STORE=client.settings.store, JOBREG_LOG_LEVEL="error"),
        start_new_session=True,
    )
    yield process
    process.kill()
    process.wait()


def execute(client: Client, number: int) -> None:
    for first in range(0, number, 10_000):
        few = min(10_000, number - first)
        client.submit_many([("hostile.echo", {"value": n}) for n in range(few)])
    until(lambda: not client.store.waiting() and not client.store.busy(), 600, "all are over")
    assert client.store.counts()["succeeded"] >= number


def look(pid: int) -> tuple[int, int, int]:
    """Bytes in memory, open descriptors, threads."""
    folder = Path(f"/proc/{pid}")
    pages = int((folder / "statm").read_text().split()[1])
    return (
        pages * os.sysconf("SC_PAGE_SIZE"),
        len(list((folder / "fd").iterdir())),
        len(list((folder / "task").iterdir())),
    )


def see(client: Client, pid: int, number: int) -> None:
    execute(client, FEW)
    before, descriptors, threads = look(pid)
    execute(client, number)
    after, *rest = look(pid)
    print(f"\n{number:,} runs: {(after - before) / MIB:+.1f} MiB on {before / MIB:.0f} MiB")
    assert after - before <= AT_MOST
    # A child that is just being replaced has descriptors; soon they are what they were.
    assert until(lambda: look(pid)[1:] == (descriptors, threads), 20, f"{rest}")


def test_ten_thousand_runs_leave_nothing(client: Client, worker: subprocess.Popen[bytes]) -> None:
    see(client, worker.pid, 10_000)


@pytest.mark.slow
def test_a_hundred_thousand_runs_leave_nothing(
    client: Client, worker: subprocess.Popen[bytes]
) -> None:
    see(client, worker.pid, 100_000)
