"""When a child is not used again: for runs that want one of their own, by number, by size."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from jobreg import Client
from jobreg.engines import memory


def pids(client: Client, name: str, number: int = 4) -> list[int]:
    runs = client.submit_many([(f"hostile.{name}", {})] * number)
    return [run.result(30) for run in runs]


def test_a_warm_child_runs_many(client: Client, start_worker: Any) -> None:
    start_worker(concurrency=1)

    assert len(set(pids(client, "pid"))) == 1


def test_a_fresh_run_has_a_process_of_its_own(client: Client, start_worker: Any) -> None:
    start_worker(concurrency=1)

    mixed = pids(client, "pid", 1) + pids(client, "own_process") + pids(client, "pid", 1)

    assert len(set(mixed)) == 6


def test_a_child_is_replaced_after_so_many_runs(
    client: Client, start_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBREG_CHILD_RUNS", "2")
    start_worker(concurrency=1)

    seen = pids(client, "pid", 6)

    assert [seen.count(each) for each in dict.fromkeys(seen)] == [2, 2, 2]


def test_a_child_that_has_grown_is_replaced(
    client: Client, start_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBREG_CHILD_MEMORY", "200M")
    start_worker(concurrency=1)

    small, large = pids(client, "pid", 2), []
    large = [client.submit("hostile.grows", {"mib": mib}).result(30) for mib in (1, 300, 1)]

    assert len({*small, *large[:2]}) == 1
    assert large[2] != large[1]


def test_a_crash_tells_how_much_memory_its_process_had(client: Client, start_worker: Any) -> None:
    start_worker(concurrency=1)

    run = client.submit("hostile.grows", {"mib": 300, "die": True}, max_crashes=1).wait(30)

    (attempt,) = run.attempts()
    assert attempt.peak_memory is not None
    assert 300 * 2**20 < attempt.peak_memory < 600 * 2**20
    assert run.error is not None
    assert "signal 9, SIGKILL: killed, out of memory?; it had 3" in run.error.message


def test_of_a_process_that_is_gone_nobody_can_say() -> None:
    assert memory.resident(2**22 + 1) is None
    assert memory.peak(2**22 + 1) is None


@pytest.mark.parametrize("engine", ["", "_awaiting", "_in_a_thread"])
@pytest.mark.parametrize("how", ["changes_variables", "replaces_its_environment"])
def test_the_environment_is_put_back_after_each_run(
    client: Client, start_worker: Any, engine: str, how: str
) -> None:
    start_worker(concurrency=2)

    def run(name: str) -> Any:
        return client.submit(f"hostile.{name}{engine}").result(30)

    run("variables"), run(how)  # what is new to a worker takes a child of its own
    pid, after = run(how), run("variables")

    assert after == [pid, True, None, client.settings.store, "stays"]


def test_a_job_may_empty_its_environment(client: Client, start_worker: Any) -> None:
    start_worker(concurrency=1)

    assert client.submit("hostile.clears_its_environment").result(30) == "done"


@pytest.mark.parametrize("engine", ["", "_awaiting", "_in_a_thread"])
@pytest.mark.parametrize("by", ["multiprocessing", "multiprocess"])
def test_a_job_has_processes_and_a_pool_of_its_own(
    client: Client, start_worker: Any, engine: str, by: str
) -> None:
    start_worker(concurrency=1)

    run = client.submit(f"hostile.has_processes{engine}", {"by": by}, timeout="60s")

    assert run.result(90) == [-signal.SIGTERM, [1, 2]]


LATE = {
    "late_a.py": """
import asyncio
from pathlib import Path

async def waits(folder):
    Path(folder, "began").touch()
    while not Path(folder, "go").exists():
        await asyncio.sleep(0.01)
""",
    "late_b.py": """
import os

os.environ["LATE"] = "stays"

async def tells():
    return os.environ.get("LATE")
""",
}


def test_what_a_module_sets_that_is_imported_beside_runs_stays_for_its_own(
    client: Client, start_worker: Any, fake_plugins: Any, tmp_path: Path
) -> None:
    fake_plugins.add(
        "late", "1.0", {"late.waits": "late_a:waits", "late.tells": "late_b:tells"}, LATE
    )
    start_worker(concurrency=2)
    first = client.submit("late.waits", {"folder": str(tmp_path)})
    until(lambda: (tmp_path / "began").exists(), 30)

    beside = client.submit("late.tells").result(30)
    (tmp_path / "go").touch()
    first.result(30)

    assert [beside, client.submit("late.tells").result(30)] == ["stays", "stays"]
