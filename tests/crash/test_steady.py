"""A supervisor that has had very many runs is as large as one that has had few."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import descriptors, pids_in, until

from jobreg import Client
from jobreg.selftest.soak import descendants

FEW = 1_000
MIB = 2**20
AT_MOST = 10 * MIB
PROCESSES = 4  # guard, forkserver, and two children


@pytest.fixture
def worker(client: Client, fake_plugins: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "jobreg", "worker", "--concurrency", "2"],
        env=fake_plugins.env(
            JOBREG_STORE=client.settings.store, JOBREG_LOG_LEVEL="error", JOBREG_CHILD_RUNS="700"
        ),
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
    """Bytes in memory, open descriptors, threads.

    Two threads share a few connections to the database; how many they need at once is chance. One
    is lent, for what goes in the driver's words.
    """
    folder = Path(f"/proc/{pid}")
    pages = int((folder / "statm").read_text().split()[1])
    opened = descriptors(pid)
    of_store = [each for each in opened if "jobs.db" in each]
    assert len(of_store) <= 9
    return (
        pages * os.sysconf("SC_PAGE_SIZE"),
        len(opened) - len(of_store),
        len(list((folder / "task").iterdir())),
    )


def look_with_all_its_children(client: Client, pid: int) -> tuple[int, int, int]:
    """A child is replaced after so many runs, and while it is not there it has no descriptors.

    While it is being started it has more: what it was handed the worker closes only after.
    """
    with tempfile.TemporaryDirectory() as folder:
        flag, file = Path(folder) / "flag", Path(folder) / "pids"
        client.submit_many([("hostile.does", {"flag": str(flag), "file": str(file)})] * 2)
        until(lambda: pids_in(file, 2), 20, "both children are at work")
        until(lambda: len(descendants(pid)) == PROCESSES, 20, "and no others")
        seen = look(pid)
        flag.touch()
        until(lambda: not client.store.waiting() and not client.store.busy(), 60, "both are over")
    return seen


def see(client: Client, pid: int, number: int) -> None:
    execute(client, FEW)
    before, descriptors, threads = look_with_all_its_children(client, pid)
    execute(client, number)
    after, *rest = look_with_all_its_children(client, pid)
    print(
        f"\n{number:,} runs: {(after - before) / MIB:+.1f} MiB on {before / MIB:.0f} MiB, "
        f"{descriptors} descriptors, {threads} threads"
    )
    assert after - before <= AT_MOST
    assert rest == [descriptors, threads]


def test_ten_thousand_runs_leave_nothing(client: Client, worker: subprocess.Popen[bytes]) -> None:
    see(client, worker.pid, 10_000)


@pytest.mark.slow
def test_a_hundred_thousand_runs_leave_nothing(
    client: Client, worker: subprocess.Popen[bytes]
) -> None:
    see(client, worker.pid, 100_000)
