"""A worker is told to end at any moment of its start-up: it ends, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from jobreg import Client
from jobreg.lifecycle import State

MOMENTS, MANY_MOMENTS = 12, 48


def lines_of(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Each import that Python tells of (``-X importtime``), each event of the worker."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(b"import time:") or b" INFO " in line:
            yield line


def start(client: Client, fake_plugins: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "jobreg", "worker", "--concurrency", "1"],
        env=fake_plugins.env(JOBREG_STORE=client.settings.store),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def group_of(session: int) -> list[int]:
    """The processes of a worker that are left: of its session, and what it started in others."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] not in "ZX":
                found.append(int(folder.name))
    return found


@pytest.mark.parametrize("moments", [MOMENTS, pytest.param(MANY_MOMENTS, marks=pytest.mark.slow)])
def test_sigterm_at_any_moment_of_a_start(client: Client, fake_plugins: Any, moments: int) -> None:
    client.submit("hostile.echo", {"value": 1})
    whole = start(client, fake_plugins)
    total = 0
    for line in lines_of(whole):
        total += 1
        if b"run.settled" in line or b"worker.started" in line:
            break
    whole.terminate()
    list(lines_of(whole))
    assert whole.wait(20) == 0
    assert total > 200
    ends = []

    for moment in range(moments):
        run = client.submit("hostile.echo", {"value": moment})
        worker = start(client, fake_plugins)
        said = lines_of(worker)
        # The last moments are those after the last import: the worker registers and begins.
        for _ in range(1 + total * (moment + 1) // moments):
            next(said, None)
        worker.send_signal(signal.SIGTERM)
        list(said)
        ends.append(worker.wait(20))

        assert client.store.workers() == [], "its row is gone, or was never there"
        until(lambda worker=worker: not group_of(worker.pid), 5, "nobody is left")  # type: ignore[misc]
        assert run.refresh().state in (State.QUEUED, State.SUCCEEDED)
        assert run.record.crashes == 0
        if worker.stderr:
            worker.stderr.close()

    # Before our own code runs, Python knows no better than to die of it; from then on it drains.
    first = ends.index(0)
    assert set(ends[:first]) <= {-signal.SIGTERM}
    assert set(ends[first:]) == {0}, ends
    assert len(ends) - first > moments // 3
    print(f"\n{total} lines; ended by the signal itself at {first} of {moments} moments: {ends}")
