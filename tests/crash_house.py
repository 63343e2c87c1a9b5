"""Workers as real processes, to be killed and stopped."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

from hostile_jobs import JOBS, SOURCE
from waiting import until
from warm_start import Process, Warm

from jobreg import Client, Registry
from jobreg.store import WorkerRow


class House:
    """One store, a client on it, and any number of worker processes."""

    def __init__(self, tmp_path: Path, fake_plugins: Any, warm: Warm) -> None:
        self.path = tmp_path
        self.warm = warm
        fake_plugins.add("hostile", "1.0", JOBS, {"hostile_jobs_plugin.py": SOURCE})
        self.plugins = fake_plugins
        self.client = Client(str(tmp_path / "jobs.db"), Registry(path=[str(fake_plugins.path)]))
        self.workers: list[Process] = []

    def file(self, name: str) -> str:
        return str(self.path / name)

    def worker(self, *options: str, lease: str = "30s", failpoints: str = "") -> Process:
        """Start a worker and wait until it has registered."""
        before = {row.pid for row in self.client.store.workers()}
        command = ["worker", "--store", self.file("jobs.db"), "--lease", lease, *options]
        with open(self.path / f"worker-{len(self.workers)}.log", "wb") as log:
            worker = self.warm.start(
                [*command, "--concurrency", "2"],
                {**self.plugins.env(), "JOBREG_FAILPOINTS": failpoints},
                output=log,
                start_new_session=True,
            )
        self.workers.append(worker)
        until(
            lambda: self.row(worker.pid) or worker.poll() is not None, what="the worker registers"
        )
        assert worker.poll() is None, self.log()
        assert worker.pid not in before
        return worker

    def row(self, pid: int) -> WorkerRow | None:
        rows = [row for row in self.client.store.workers() if row.pid == pid]
        return rows[-1] if rows else None

    def rows(self) -> list[WorkerRow]:
        return self.client.store.workers()

    def log(self) -> str:
        return "".join(file.read_text() for file in sorted(self.path.glob("worker-*.log")))

    def close(self) -> None:
        for worker in self.workers:
            for number in (signal.SIGCONT, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, number)
            worker.wait()
        self.client.close()
