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

TRIES_AGAIN = "if current_run().attempt < 3: raise RetryLater('not this time', after=0)"
CRASHES = f"if current_run().attempt < 3: {DIES}"

MODULE = """
import os, signal, time
from pathlib import Path
from jobreg import RetryLater, current_run, job

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


def test_a_run_that_was_lost_before_its_job_could_be_read_was_not_started(house: House) -> None:
    run = _submit(house, {1: DIES, 2: HANGS}, "max_attempts=1, max_crashes=1", "pass")
    first = house.worker()
    until(lambda: pids_in(Path(house.file("imports")), 2), 20, "its run imports it")

    os.kill(first.pid, signal.SIGKILL)
    house.worker()
    run.wait(30)

    assert run.state is State.SUCCEEDED, run.error
    assert [each.outcome for each in run.attempts()] == [Ending.CRASHED, Ending.SUCCEEDED]
