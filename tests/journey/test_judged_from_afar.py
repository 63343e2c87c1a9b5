"""A worker learns a job once; after that it is judged, and its options are known, everywhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from jobreg import Client, Registry, client as client_module
from jobreg.lifecycle import Ending, State
from jobreg.worker import ownership

NAME = "reports.typed"
TYPED = '''
import dataclasses, enum
from datetime import datetime
from uuid import UUID

import attrs
from jobreg import job


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Page:
    number: int
    until: datetime


@attrs.define
class Line:
    item: UUID
    count: int = 1


@job(queue="reports")
def typed(
    account: int, at: datetime, who: UUID | None = None, colour: Colour = Colour.RED,
    numbers: list[int] = [], page: Page = None, lines: list[Line] = [], **rest: float,
):
    """Say what came."""
    return [account, at.year, str(who), colour.value, sum(numbers), page and page.number,
            [type(each).__name__ for each in lines], rest]
'''
# What a process does that has jobreg, the store, and not the plugin.
SUBMIT = """
import json, sys, jobreg
assert jobreg.default_registry().names() == []
client = jobreg.Client()
if sys.argv[2] == "open store":
    client.store
try:
    run = client.submit(sys.argv[1], json.load(sys.stdin))
except jobreg.BadInput as error:
    print(json.dumps(["refused", str(error)]))
else:
    print(json.dumps([run.id, run.record.queue]))
"""
GOOD = {
    "account": 1, "at": "2026-01-31T12:00:00", "who": None, "colour": "blue", "numbers": [1, 2],
    "page": {"number": 5, "until": "2026-01-31T12:00:00Z"},
    "lines": [{"item": "6f1d8a4e-5c55-4a3e-9d6e-1a2b3c4d5e6f"}], "score": 1.5,
}  # fmt: skip
BAD = {
    "account": "1", "who": "me", "colour": "green", "numbers": [1, "2", None],
    "page": {"number": 1.5}, "lines": [{"item": 5, "count": "many"}, {}], "score": "high",
}  # fmt: skip
FAULTS = (
    "missing 'at'; "
    'account: expected int, got str "1"; '
    'who: expected UUID | None, got str "me" (invalid UUID); '
    'colour: expected Colour, got str "green" (one of "red", "blue"); '
    'numbers[1]: expected int, got str "2"; '
    "numbers[2]: expected int, got null; "
    "page.number: expected int, got float 1.5; "
    "page.until: missing; "
    "lines[0].item: expected uuid, got int 5; "
    'lines[0].count: expected int, got str "many"; '
    "lines[1].item: missing; "
    'score: expected float, got str "high". '
    "It takes (account: int, at: datetime, "
)


class Machine:
    """A folder of plugins, the store, and processes that have the plugins or have them not."""

    def __init__(self, fake_plugins: Any, tmp_path: Path) -> None:
        self.plugins = fake_plugins
        self.store = str(tmp_path / "jobs.db")
        self.client = Client(self.store, Registry(path=[str(fake_plugins.path)]))
        self._environ = fake_plugins.env(JOBREG_STORE=self.store)
        self._folder = tmp_path
        self.processes: list[subprocess.Popen[str]] = []

    def install(self, version: str, source: str, **jobs: str) -> None:
        shutil.rmtree(self.plugins.path)
        self.plugins.path.mkdir()
        self.plugins.add("acme", version, {NAME: "acme_jobs:typed", **jobs}, {
            "acme_jobs.py": source
        })  # fmt: skip

    def python(self, *arguments: str, plugins: bool = True, **more: Any) -> Any:
        environ = dict(self._environ)
        if not plugins:
            del environ["PYTHONPATH"]
        return subprocess.Popen(
            [sys.executable, *arguments], env=environ, cwd=self._folder, text=True, **more
        )

    def work(self) -> None:
        """Run a worker until nothing is left to do."""
        assert self.python("-m", "jobreg", "worker", "--until-idle").wait(60) == 0

    def start_worker(self) -> None:
        self.processes.append(self.python("-m", "jobreg", "worker", "--concurrency", "1"))

    def submit_from_afar(self, params: dict[str, Any], how: str) -> list[str]:
        """Submit in a process without the plugin; gives the run's id and queue, or the refusal."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = self.python("-c", SUBMIT, NAME, how, plugins=False, **pipes)
        told, _ = process.communicate(json.dumps(params), timeout=60)
        answer: list[str] = json.loads(told)
        return answer


@pytest.fixture
def machine(fake_plugins: Any, tmp_path: Path) -> Iterator[Machine]:
    made = Machine(fake_plugins, tmp_path)
    yield made
    for process in made.processes:
        process.kill()
        process.wait()
    made.client.close()


@pytest.mark.parametrize("how", ["by driver", "open store"])
def test_where_the_plugin_is_not_installed_every_fault_is_named_and_nothing_is_stored(
    machine: Machine, how: str
) -> None:
    machine.install("1.0", TYPED)
    unjudged = machine.client.submit(NAME, BAD)
    machine.work()

    verdict, told = machine.submit_from_afar(BAD, how)

    record = unjudged.refresh().record
    assert record.reason == "refused"
    assert record.error is not None
    assert verdict == "refused"
    assert FAULTS in told
    assert told == record.error.message
    assert [each.id for each in machine.client.find()] == [unjudged.id]


@pytest.mark.parametrize("how", ["by driver", "open store"])
def test_where_the_plugin_is_not_installed_good_params_go_to_the_jobs_own_queue(
    machine: Machine, how: str
) -> None:
    machine.install("1.0", TYPED)
    machine.client.submit(NAME, GOOD)
    machine.work()

    run_id, queue = machine.submit_from_afar(GOOD, how)

    assert queue == "reports"
    machine.work()
    value = [1, 2026, "None", "blue", 3, 5, ["Line"], {"score": 1.5}]
    assert machine.client.get(run_id).result(10) == value


def test_the_command_line_refuses_in_one_line_without_the_plugin(machine: Machine) -> None:
    machine.install("1.0", TYPED)
    machine.client.submit(NAME, GOOD)
    machine.work()

    process = machine.python(
        "-m", "jobreg", "submit", NAME, "account=x", "at=1", plugins=False,
        stderr=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    out, told = process.communicate(timeout=60)

    assert (process.returncode, out, told.count("\n")) == (2, "", 1)
    assert 'account: expected int, got str "x"; at: expected datetime, got int 1' in told


def test_what_the_store_holds_of_a_job_is_what_its_hello_said(machine: Machine) -> None:
    machine.install("1.0", TYPED)
    machine.client.submit(NAME, GOOD)
    machine.work()

    [entry] = machine.client.store.catalogue.known()

    assert (entry.job_name, entry.provider.dist, entry.provider.version) == (NAME, "acme", "1.0")
    assert entry.summary == "Say what came."
    assert entry.options["queue"] == "reports"
    assert entry.import_seconds is not None
    assert 0 < entry.import_seconds < 60
    assert entry.params_schema is not None
    assert entry.params_schema["required"] == ["account", "at"]
    takes = entry.takes()
    assert takes is not None
    assert str(takes).startswith("(account: int, at: datetime, who: UUID | None = None, ")


OF_V1 = """
from jobreg import job

@job(timeout=3600, max_attempts=1)
def typed():
    return 1
"""
OF_V2 = """
import time
from jobreg import job, Backoff

@job(timeout=0.3, max_attempts=2, backoff=Backoff(first=0.01))
def typed():
    time.sleep(600)
"""


@pytest.mark.parametrize("upgrade", ["between two workers", "under a worker"])
def test_a_run_queued_under_one_version_follows_the_policy_of_the_next(
    machine: Machine, upgrade: str
) -> None:
    machine.install("1.0", OF_V1)
    first = machine.client.submit(NAME)
    if upgrade == "under a worker":
        machine.start_worker()
        assert first.result(60) == 1
        queued = machine.client.submit(NAME, delay=3)
        machine.install("2.0", OF_V2)
        assert queued.refresh().state is State.SCHEDULED
    else:
        machine.work()
        queued = machine.client.submit(NAME)
        machine.install("2.0", OF_V2)
        machine.start_worker()

    queued.wait(60)

    assert first.result(10) == 1
    assert (queued.state, queued.record.reason) == (State.FAILED, "timeout")
    told = [(each.outcome, each.provider and each.provider.version) for each in queued.attempts()]
    assert told == [(Ending.TIMEOUT, "2.0"), (Ending.TIMEOUT, "2.0")]


FAILS = """
from jobreg import job, Backoff

@job(backoff=Backoff(first=0.01))
def typed():
    raise ValueError("always")
"""


@pytest.fixture
def attempts_of(machine: Machine) -> Callable[[], int]:
    """Submit a run that fails, and say how often it was tried."""

    def submit() -> int:
        run = machine.client.submit(NAME)
        run.wait(60)
        return len(run.attempts())

    return submit


def test_what_an_operator_sets_acts_within_seconds_in_a_worker_that_runs(
    machine: Machine, attempts_of: Callable[[], int]
) -> None:
    machine.install("1.0", FAILS)
    machine.start_worker()
    assert attempts_of() == 1

    machine.client.store.catalogue.override(NAME, {"max_attempts": 3})
    until(lambda: attempts_of() == 3, 20, "the worker follows what was set")
    machine.client.store.catalogue.override(NAME, {"max_attempts": None})
    until(lambda: attempts_of() == 1, 20, "the worker follows the job again")

    # How soon is a promise; the time above leaves room for a slow machine.
    assert ownership._LOOK_EVERY <= 5
    assert client_module._KEEP_KNOWN <= 5


def test_what_an_operator_sets_acts_at_submit(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.install("1.0", TYPED)
    before = machine.client.submit(NAME, GOOD)
    machine.work()
    monkeypatch.setattr(client_module, "_KEEP_KNOWN", 0.0)

    machine.client.store.catalogue.override(NAME, {"queue": "slow", "priority": 7})
    after, said = machine.client.submit(NAME, GOOD), machine.client.submit(NAME, GOOD, queue="mine")
    from_afar = machine.submit_from_afar(GOOD, "by driver")

    assert before.refresh().record.queue == "reports"
    assert (after.record.queue, after.record.priority) == ("slow", 7)
    assert (said.record.queue, said.record.priority) == ("mine", 7)
    assert from_afar[1] == "slow"
