"""Every hostile job we know of, submitted at once to one worker, among harmless neighbours."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from hostile_jobs import JOBS, SOURCE
from waiting import pids_in

from jobreg import Client, Registry, Run

TIMED = ("spins", "sleeps_in_c", "swallows_the_interrupt")


class Expected(NamedTuple):
    state: str
    reason: str | None = None
    error: str | None = None
    told: str = ""
    result: Any = None


EXPECTED = {
    "raises": Expected("failed", "error", "ValueError", "what went wrong"),
    "raises_unprintable": Expected("failed", "error", "Unprintable", "__str__ raised"),
    "raises_what_cannot_be_rebuilt": Expected("failed", "error", "CannotBeRebuilt", "two argum"),
    "returns_a_set": Expected("failed", "error", "ResultRefused", "result.inner[1] is a set"),
    "leaves": Expected("failed", "error", "SystemExit", "bye"),
    "dies": Expected("failed", "crashed", None, "exit code 3"),
    "segfaults": Expected("failed", "crashed", None, "SIGSEGV"),
    "kills_itself": Expected("failed", "crashed", None, "SIGKILL"),
    **{name: Expected("failed", "timeout", None, "limit of 1 s") for name in TIMED},
    "prints_10_mb": Expected("succeeded", result="printed"),
    "closes_stdout": Expected("succeeded", result="closed"),
    "changes_folder": Expected("succeeded"),
    "starts_a_thread": Expected("succeeded"),
    "sets_a_handler": Expected("succeeded"),
    "leaves_an_alarm": Expected("succeeded"),
    "blocks_a_signal": Expected("succeeded"),
    "forks_and_exits": Expected("succeeded", result="the parent"),
    "scribbles": Expected("failed", "crashed"),
}
NEIGHBOURS = 40


def test_each_ends_in_its_state_and_harms_nobody(fake_plugins: Any, tmp_path: Path) -> None:
    fake_plugins.add("hostile", "1.0", JOBS, {"hostile_jobs_plugin.py": SOURCE})
    client = Client(tmp_path / "jobs.db", Registry(path=[str(fake_plugins.path)]))
    files = {name: tmp_path / name for name in TIMED}
    runs: dict[str, Run] = {}
    neighbours: list[Run] = []
    for number, name in enumerate(EXPECTED):
        params = {"file": str(files[name])} if name in TIMED else {}
        runs[name] = client.submit(f"hostile.{name}", params, timeout="1s", max_crashes=1)
        neighbours += [
            client.submit("hostile.echo", {"value": [number, each]})
            for each in range(NEIGHBOURS // len(EXPECTED) + 1)
        ]
    chatter = client.submit("hostile.says_progress", {"times": 100_000})
    client.submit("hostile.forks")

    command = [sys.executable, "-m", "jobreg", "worker", "--until-idle", "--concurrency", "2"]
    worker = subprocess.run(
        [*command, "--store", str(tmp_path / "jobs.db"), "--kill-grace", "0.5s"],
        env=fake_plugins.env(),
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert worker.returncode == 0, worker.stderr
    assert "Traceback" not in worker.stderr
    found = {name: _told(run.refresh()) for name, run in runs.items()}
    wanted = {name: (each.state, each.reason) for name, each in EXPECTED.items()}
    assert {name: each[:2] for name, each in found.items()} == wanted
    for name, expected in EXPECTED.items():
        kind, message = found[name][2:]
        assert expected.error in (None, kind), name
        assert expected.told in message, name
        if expected.state == "succeeded":
            assert runs[name].result() == expected.result
    *kept, last, cut = [line.text for line in runs["prints_10_mb"].logs()]
    assert set(kept) == {"x" * 10_239}
    assert set(last) <= {"x"}
    assert 7 * 2**20 < sum(map(len, kept)) <= 8 * 2**20
    assert cut.startswith("... cut: ")
    assert "Fatal Python error" in "".join(line.text for line in runs["segfaults"].logs())
    assert [line.text for run in neighbours for line in run.logs()] == []
    for run in neighbours:
        attempts = run.refresh().attempts()
        assert [each.outcome for each in attempts if each.outcome != "released"] == ["succeeded"]
        assert run.result() == run.params["value"]
    assert chatter.result() == chatter.id
    assert [name for name, file in files.items() if not pids_in(file, 2)] == []
    assert not _processes_of(tmp_path / "jobs.db")
    client.close()


def _told(run: Run) -> tuple[str, str | None, str | None, str]:
    error = run.error
    reason = run.reason and run.reason.value
    return run.state.value, reason, error and error.type, error.message if error else ""


def _processes_of(store: Path) -> list[str]:
    """Every process that was told of this store, as all are that a worker's jobs start."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(store).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
    return found
