"""A job whose import failed once: no run of it begins by options that are not its own."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from crash_house import House
from waiting import pids_in, until

from jobreg import Run
from jobreg.lifecycle import Ending, State

DIES = "os.kill(os.getpid(), signal.SIGKILL)"
RAISES = "raise RuntimeError('not now')"
HANGS = "time.sleep(600)"
# In each process the first time.
ONCE = r"exec('if not hasattr(os, \'seen\'):\n os.seen = True\n raise RuntimeError(1)')"

TRIES_AGAIN = "if current_run().attempt < 3: raise RetryLater('not this time', after=0)"
CRASHES = f"if current_run().attempt < 3: {DIES}"

MODULE = """
import os, signal, time
from pathlib import Path
from jobreg import RetryLater, current_run, job

def wait_for(file):
    while not os.path.exists(file):
        time.sleep(0.01)

with open({file!r}, "a") as imports:
    imports.write(f"{{os.getpid()}}\\n")
number = len(Path({file!r}).read_text().split())
{at_import}

@job({options})
def work():
    {body}
"""


def _install(house: House, at_import: dict[int, str], options: str, body: str) -> None:
    """Install a job whose first imports go as they are told to."""
    file = house.file("imports")
    told = "\n".join(f"if number == {which}: {what}" for which, what in at_import.items())
    source = MODULE.format(file=file, at_import=told, options=options, body=body)
    house.plugins.add("late", "1.0", {"late.work": "late_jobs:work"}, {"late_jobs.py": source})


def _submit(house: House, at_import: dict[int, str], options: str, body: str) -> Run:
    _install(house, at_import, options, body)
    return house.client.submit("late.work")


@pytest.mark.parametrize("body", [TRIES_AGAIN, CRASHES], ids=["tries again", "crashes"])
@pytest.mark.parametrize("trouble", [DIES, RAISES], ids=["killed", "raised"])
def test_after_one_failed_import_a_run_has_all_its_tries(
    house: House, trouble: str, body: str
) -> None:
    run = _submit(house, {1: trouble}, "max_attempts=2", body)

    house.worker()
    run.wait(30)

    assert run.state is State.SUCCEEDED, run.error
    ended = Ending.ERROR if body is TRIES_AGAIN else Ending.CRASHED
    # The first claim was given back: nobody had read the job.
    attempts = [(each.number, each.outcome) for each in run.attempts()]
    assert attempts == [(2, ended), (3, Ending.SUCCEEDED)]


@pytest.mark.parametrize("trouble", [DIES, RAISES], ids=["killed", "raised"])
def test_jobreg_run_too_begins_by_the_job_s_own_options(
    house: House, run_cli: Any, trouble: str
) -> None:
    environ = house.plugins.env(JOBREG_STORE=house.file("jobs.db"))
    _install(house, {1: trouble}, "max_attempts=2", TRIES_AGAIN)

    told = run_cli("run", "late.work", env=environ)

    assert told.returncode == 0, told.stderr
    (run,) = house.client.find()
    assert [each.outcome for each in run.attempts()] == [Ending.ERROR, Ending.SUCCEEDED]


def test_a_job_that_can_be_imported_at_the_second_time_in_a_process_runs(house: House) -> None:
    run = _submit(house, dict.fromkeys(range(1, 20), ONCE), "max_attempts=1", "pass")

    house.worker("--concurrency", "1")
    run.wait(30)

    assert run.state is State.SUCCEEDED, run.error
    assert run.record.attempt == 2


def test_two_imports_that_were_killed_are_one_crash_of_a_run(house: House) -> None:
    run = _submit(house, {1: DIES, 2: DIES}, "max_attempts=1", "pass")

    house.worker()
    run.wait(30)

    assert run.state is State.SUCCEEDED, run.error
    attempts = [(each.number, each.outcome) for each in run.attempts()]
    assert attempts == [(1, Ending.CRASHED), (3, Ending.SUCCEEDED)]


def test_jobreg_run_asks_whose_the_name_is_before_it_claims_again(house: House) -> None:
    go = Path(house.file("go"))
    _install(house, {1: DIES, 2: f"wait_for({str(go)!r})"}, "", "pass")
    environ = house.plugins.env(JOBREG_STORE=house.file("jobs.db"))
    with open(house.file("run.log"), "wb") as log:
        alone = house.warm.start(
            ["run", "late.work"], environ, output=log, errors=log, start_new_session=True
        )
    until(lambda: pids_in(Path(house.file("imports")), 2), 20, "its run imports it")

    house.client.store.catalogue.adopt("late.work", "another")
    go.touch()

    assert alone.wait(20) != 0
    assert "belongs to another" in Path(house.file("run.log")).read_text()
    (run,) = house.client.find()
    assert (run.state, run.record.attempt) == (State.QUEUED, 1)


def test_jobreg_run_starts_what_may_be_started_once_no_second_time(house: House) -> None:
    starts = Path(house.file("starts"))
    body = f"open({str(starts)!r}, 'a').write(f'{{os.getpid()}}\\n'); time.sleep(600)"
    _install(house, {1: RAISES}, "max_attempts=1, max_crashes=1", body)
    environ = house.plugins.env(JOBREG_STORE=house.file("jobs.db"))
    with open(house.file("run.log"), "wb") as log:
        alone = house.warm.start(["run", "late.work"], environ, output=log, start_new_session=True)
    until(lambda: pids_in(starts), 20, "the job runs")

    alone.kill()
    house.worker()
    (run,) = house.client.find()
    run.wait(30)

    assert (run.state, run.reason) == (State.FAILED, "crashed")
    assert pids_in(starts, 2) is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_lost_before_its_job_could_be_read_was_not_started(
    house: House, number: int
) -> None:
    run = _submit(house, {1: DIES, 2: HANGS}, "max_attempts=1, max_crashes=1", "pass")
    first = house.worker()
    until(lambda: pids_in(Path(house.file("imports")), 2), 20, "its run imports it")

    os.kill(first.pid, number)
    if number == signal.SIGTERM:
        until(lambda: "worker.stopping" in house.log(), 10, "it drains")
        os.kill(first.pid, number)
    house.worker()
    run.wait(30)

    assert run.state is State.SUCCEEDED, run.error
    lost = Ending.CRASHED if number == signal.SIGKILL else Ending.RELEASED
    assert [each.outcome for each in run.attempts()] == [lost, Ending.SUCCEEDED]
