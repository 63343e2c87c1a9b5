"""The bounds that we promise, each measured: ``pytest -m slow tests/crash/test_goals.py -s``."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from crash_house import House
from sqlalchemy import text
from waiting import alive, pids_in, until

from jobreg.lifecycle import State

KILL_GRACE = 0.5
LIMIT = 1.0


def took(condition: Callable[[], object], within: float) -> float:
    """Seconds until the condition holds."""
    began = time.monotonic()
    until(condition, within)
    return time.monotonic() - began


def running(house: House, name: str, **options: object) -> list[int]:
    """Submit a job that runs for ever, and wait for its process and subprocess."""
    file = Path(house.file(f"pids-{time.monotonic_ns()}"))
    house.client.submit(f"hostile.{name}", {"file": str(file)}, **options)  # type: ignore[arg-type]
    return until(lambda: pids_in(file, 2), what="the job runs")


def taken_over(house: House, lease: str, elsewhere: bool, within: float) -> float:
    """Seconds from the death of a worker to the next attempt of what it ran."""
    first = house.worker(lease=lease)
    running(house, "spins", max_crashes=9)
    (run,) = house.client.find(state="running")
    house.worker(lease=lease)
    if elsewhere:
        with house.client.store.writing() as connection:
            connection.execute(
                text("UPDATE jobreg_workers SET host = 'elsewhere' WHERE pid = :pid"),
                {"pid": first.pid},
            )
    before = house.row(first.pid)
    until(lambda: house.row(first.pid) != before, 30, "it has just beaten")
    first.kill()
    return took(lambda: run.refresh().attempt == 2, within)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lease", "elsewhere", "bound"),
    [("30s", True, 50.0), ("2s", True, 3.0), ("30s", False, 3.0)],
    ids=["default lease", "lease of 2 s", "same host"],
)
def test_claimable_again_after_its_worker_died(
    house: House, lease: str, elsewhere: bool, bound: float
) -> None:
    seconds = taken_over(house, lease, elsewhere, 2 * bound)

    where = "another host" if elsewhere else "the same host"
    print(f"\nlease {lease}, {where}: claimed again after {seconds:.2f} s (bound {bound:g} s)")
    assert seconds <= bound


@pytest.mark.slow
def test_the_death_of_a_child_is_noticed(house: House) -> None:
    house.worker()
    child, _ = running(house, "spins")
    (run,) = house.client.find()

    os.kill(child, signal.SIGKILL)
    seconds = took(run.attempts, 2)

    print(f"\ndeath of a child: noticed after {seconds:.2f} s (bound 1 s)")
    assert seconds <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sleeps_in_c", "swallows_the_interrupt", "spins"])
@pytest.mark.parametrize("how", ["timeout", "cancel"])
def test_a_limit_holds_in_c_code_and_for_descendants(house: House, name: str, how: str) -> None:
    house.worker("--kill-grace", f"{KILL_GRACE}s")
    limit = LIMIT if how == "timeout" else 0.0
    pids = running(house, name, timeout=limit or None)
    (run,) = house.client.find()

    if how == "cancel":
        run.cancel()
    seconds = took(lambda: not any(map(alive, pids)), 10)

    bound = limit + KILL_GRACE + 1
    print(f"\n{how} of {name}: gone with its subprocess after {seconds:.2f} s (bound {bound:g} s)")
    assert seconds <= bound
    until(lambda: run.refresh().state in (State.FAILED, State.CANCELLED), 5)
