"""Every failpoint has a row: a real process is killed there, and afterwards what must hold holds.

Rows of workers: a worker is armed, does what leads it to the point, and dies there (or its child
does); another takes over, and everything comes to its one right end. Rows of commands: a command
is armed and dies; its change is there wholly or not at all, and saying it again does it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from hostile_jobs import JOBS, SOURCE
from sqlalchemy import text
from waiting import until
from warm_start import Process, Warm

from jobreg import Client, Registry, Worker, failpoints
from jobreg.lifecycle import Attempt, Ending, State
from jobreg.store import open_store
from jobreg.store.schema import version_of
from jobreg.store.version import VERSION
from jobreg.web.access import digest

LEASE = "2s"
TOKEN = "jobreg_of-the-matrix"
RUN_ID = "01a00000-0000-7000-8000-00000000000a"
KILLED = -signal.SIGKILL


@define
class Place:
    """A store, and processes that work on it."""

    client: Client
    environ: dict[str, str]
    folder: Path
    empty: Callable[[], str]
    warm: Warm
    workers: list[Process] = field(factory=list)

    def start(self, *command: str, failpoint: str | None = None) -> Process:
        """Start ``jobreg`` with these arguments, armed or not."""
        environ = self.environ | ({"JOBREG_FAILPOINTS": f"{failpoint}=kill"} if failpoint else {})
        log = self.folder / f"process-{len(self.workers)}.log"
        with open(log, "wb") as output:
            process = self.warm.start(command, environ, output=output, start_new_session=True)
        self.workers.append(process)
        return process

    def worker(self, failpoint: str | None = None) -> Process:
        return self.start(
            "worker", "--concurrency", "2", "--lease", LEASE, "--grace", "2s", failpoint=failpoint
        )

    def command(self, *command: str, failpoint: str | None = None) -> int:
        return self.start(*command, failpoint=failpoint).wait(60)

    def effects(self) -> list[str]:
        with self.client.store.reading() as connection:
            return list(connection.execute(text("SELECT run_id FROM effects")).scalars())

    def close(self) -> None:
        for each in self.workers:
            each.kill()
            each.wait()
        self.client.close()


@pytest.fixture
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    fake_plugins: Any,
    warm: Warm,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    on_file = request.param == "sqlite"
    server = None if on_file else request.getfixturevalue(request.param)
    url = str(tmp_path / "jobs.db") if server is None else server.fresh()
    empty = server.empty if server else lambda: f"sqlite:///{tmp_path}/older.db"
    fake_plugins.add("hostile", "1.0", JOBS, {"hostile_jobs_plugin.py": SOURCE})
    monkeypatch.syspath_prepend(str(fake_plugins.path))
    client = Client(url, Registry(path=[str(fake_plugins.path)]))
    with client.store.writing() as connection:
        connection.execute(text("CREATE TABLE effects (run_id VARCHAR(36), attempt INTEGER)"))
    environ = fake_plugins.env(JOBREG_STORE=client.store.full_url)
    made = Place(client, environ, tmp_path, empty, warm)
    yield made
    made.close()


# rows of workers


def on_the_way(place: Place, point: str) -> None:
    """Submit what leads a worker to the point."""
    client = place.client
    client.submit("hostile.books", run_id=RUN_ID, max_crashes=100)
    client.submit("hostile.third_time_lucky", max_crashes=100)
    client.submit("hostile.reports_progress", max_crashes=100)
    client.submit("hostile.prints", {"text": "a line"}, max_crashes=100)
    client.submit("hostile.echo", {"value": 1}, delay="0.5s", max_crashes=100)


def finish(place: Place) -> None:
    """Let an unarmed worker do the rest, and see that all is as if nothing had happened."""
    with Worker(place.client.store, registry=place.client.registry, concurrency=2, lease=LEASE):
        see_the_end(place)


def see_the_end(place: Place) -> None:
    runs = list(place.client.find())
    assert len(runs) == 5
    for run in runs:
        assert run.wait(60).state is State.SUCCEEDED, (run, run.error)
        won = [each.number for each in run.attempts() if each.outcome is Ending.SUCCEEDED]
        assert won == [run.attempt]
    assert place.effects() == [RUN_ID]
    (lucky,) = place.client.find(job_name="hostile.third_time_lucky")
    outcomes = [each.outcome for each in lucky.attempts()]
    assert lucky.record.tries == outcomes.count(Ending.ERROR)


def worker_dies(place: Place, point: str) -> None:
    on_the_way(place, point)
    assert place.worker(point).wait(60) == KILLED
    finish(place)


def attempts(place: Place) -> list[Attempt]:
    return [each for run in place.client.find() for each in run.attempts()]


def child_dies(place: Place, point: str) -> None:
    on_the_way(place, point)
    armed = place.worker(point)
    until(lambda: any(each.exit_signal for each in attempts(place)), 30)
    assert armed.poll() is None, "the supervisor goes on"
    crashed = [each for each in attempts(place) if each.exit_signal]
    assert {each.outcome for each in crashed} == {Ending.CRASHED}
    armed.kill()
    armed.wait()
    finish(place)


def effect_dies(place: Place, point: str) -> None:
    on_the_way(place, point)
    armed = place.worker(point)
    run = place.client.get(RUN_ID)
    if point.endswith("before_commit"):
        until(lambda: run.attempts(), 30, "the crash is known")
        assert place.effects() == []
    else:
        until(lambda: run.refresh().state is State.SUCCEEDED, 30, "the job has settled it")
        assert [each.outcome for each in run.attempts()] == [Ending.SUCCEEDED]
    armed.kill()
    armed.wait()
    finish(place)


def rescuer_dies(place: Place, point: str) -> None:
    on_the_way(place, point)
    first = place.worker("settle.before_commit")
    assert first.wait(60) == KILLED
    assert place.worker(point).wait(60) == KILLED
    finish(place)


def worker_dies_at_its_end(place: Place, point: str) -> None:
    on_the_way(place, point)
    armed = place.worker(point)
    for run in place.client.find():
        run.wait(60)
    armed.terminate()
    assert armed.wait(60) == KILLED
    finish(place)


# rows of commands: what leads there, the command, what must hold before and after


def command_dies(
    prepare: Callable[[Place], None], command: list[str], done: Callable[[Place], bool]
) -> Callable[[Place, str], None]:
    def row(place: Place, point: str) -> None:
        prepare(place)
        assert not done(place)

        assert place.command(*command, failpoint=point) == KILLED

        assert done(place) is point.endswith("after_commit")
        place.command(*command)
        assert done(place)

    return row


def waits(place: Place) -> None:
    place.client.submit("hostile.echo", {"value": 1}, run_id=RUN_ID)


def has_failed(place: Place) -> None:
    waits(place)
    place.client.cancel(RUN_ID)


def nothing(_: Place) -> None:
    pass


def is_paused(place: Place) -> None:
    place.client.store.pause("queue", "mail")


def has_a_token(place: Place) -> None:
    place.client.store.tokens.keep(digest(TOKEN), "read")


def is_over(place: Place) -> None:
    waits(place)
    place.client.cancel(RUN_ID)


def works(place: Place) -> None:
    place.worker()
    until(lambda: place.client.store.workers(), what="a worker is there")


def ids(place: Place) -> list[str]:
    return [run.id for run in place.client.find()]


SUBMIT = ["submit", "hostile.echo", "value=1", "--run-id", RUN_ID]
ROWS: dict[str, Callable[[Place, str], None]] = {
    "insert": command_dies(nothing, SUBMIT, lambda place: ids(place) == [RUN_ID]),
    "insert_claimed": command_dies(
        nothing,
        ["run", "hostile.echo", "value=1", "--run-id", RUN_ID],
        lambda place: ids(place) == [RUN_ID],
    ),
    "cancel": command_dies(
        waits, ["runs", "cancel", RUN_ID],
        lambda place: place.client.get(RUN_ID).state is State.CANCELLED,
    ),
    "reopen": command_dies(
        has_failed, ["runs", "retry", RUN_ID],
        lambda place: place.client.get(RUN_ID).state is State.QUEUED,
    ),
    "pause": command_dies(
        nothing, ["queues", "pause", "mail"], lambda place: bool(place.client.store.pauses())
    ),
    "resume": command_dies(
        is_paused, ["queues", "resume", "mail"], lambda place: not place.client.store.pauses()
    ),
    "keep": command_dies(
        nothing, ["web", "token"], lambda place: bool(place.client.store.tokens.all())
    ),
    "revoke": command_dies(
        has_a_token, ["web", "revoke", TOKEN], lambda place: not place.client.store.tokens.all()
    ),
    "prune": command_dies(
        is_over,
        ["store", "prune", "--retain", "succeeded=forever,failed=forever,cancelled=0s"],
        lambda place: ids(place) == [],
    ),
    "rename": command_dies(
        waits, ["store", "rename-job", "hostile.echo", "hostile.said"],
        lambda place: place.client.get(RUN_ID).job_name == "hostile.said",
    ),
    "ask_worker": command_dies(
        works, ["workers", "drain", "--all"],
        lambda place: all(row.asked for row in place.client.store.workers()),
    ),
    "claim": worker_dies,
    "settle": worker_dies,
    "note_progress": worker_dies,
    "write_logs": worker_dies,
    "stage_due": worker_dies,
    "write_catalogue": worker_dies,
    "register": worker_dies,
    "beat": worker_dies,
    "rescue": rescuer_dies,
    "forget": worker_dies_at_its_end,
    "effect": effect_dies,
    "attempt.begun": child_dies,
    "attempt.done": child_dies,
    "outcome.unwritten": worker_dies,
}  # fmt: skip


def imports_die(place: Place, point: str) -> None:
    from mlflow_table import mlflow_file, mlflow_row

    source = mlflow_file(place.folder / "mlflow.db", [mlflow_row(1, "hostile.echo")])
    row = command_dies(
        nothing, ["store", "import-mlflow", f"sqlite:///{source}"],
        lambda place: len(ids(place)) == 1,
    )  # fmt: skip
    row(place, point)


def lone_runs_are_claimed(place: Place, point: str) -> None:
    """``jobreg run`` of a run that is to be tried again takes it by ``claim_one``."""
    code = place.command("run", "hostile.third_time_lucky", "--run-id", RUN_ID, failpoint=point)
    assert code == KILLED
    run = place.client.get(RUN_ID)
    before = run.attempt
    with Worker(place.client.store, registry=place.client.registry, lease=LEASE):
        assert run.wait(60).state is State.SUCCEEDED
    assert run.attempt > before


def upgrades_die(place: Place, point: str) -> None:
    older = place.empty()
    assert place.command("store", "upgrade", "--to", "0004", "--store", older) == 0
    row = command_dies(
        nothing, ["store", "upgrade", "--store", older],
        lambda _: version_of(open_store(older, check=False)) == VERSION,
    )  # fmt: skip
    row(place, point)


ROWS |= {"add": imports_die, "claim_one": lone_runs_are_claimed, "upgrade": upgrades_die}
SHORT = ("insert", "claim", "settle", "effect")
"""The form for MariaDB."""
OF_PAGE = (
    *SHORT, "rescue", "attempt.begun", "attempt.done", "outcome.unwritten", "beat", "cancel",
    "reopen", "prune", "stage_due", "write_catalogue",
    "upgrade",
)  # fmt: skip
"""What stands in the matrix of the reliability page; the rest of PostgreSQL's is the long form."""


def row_of(point: str) -> str:
    return point if point in ROWS else point.partition(".")[0]


def every_row() -> Iterator[Any]:
    for point in failpoints.POINTS:
        for database, quick in (("sqlite", ROWS), ("postgres", OF_PAGE), ("mysql", SHORT)):
            marks = [] if row_of(point) in quick else [pytest.mark.slow]
            yield pytest.param(database, point, marks=marks)


def test_every_failpoint_has_a_row_and_every_row_a_failpoint() -> None:
    assert {row_of(point) for point in failpoints.POINTS} == set(ROWS)


def test_every_verb_that_writes_has_failpoints() -> None:
    import re

    store = Path(failpoints.__file__).parent / "store"
    told = "".join(file.read_text("utf-8") for file in store.glob("*.py"))
    verbs = {name.strip("_") for name in re.findall(r"@again\n +def (\w+)", told)}

    callers = {"insert_beside"}  # in a transaction that the caller commits
    assert verbs - set(failpoints.VERBS) == callers


@pytest.mark.parametrize(("place", "point"), list(every_row()), indirect=["place"])
def test_killed_at(place: Place, point: str) -> None:
    ROWS[row_of(point)](place, point)


def test_nothing_is_armed_without_the_variable() -> None:
    assert failpoints._armed == {}
    failpoints.reach("claim.before_commit")


@pytest.mark.parametrize(
    "bad", ["claim", "claim.before_commit", "no.such=kill", "claim.before_commit=die"]
)
def test_a_failpoint_that_cannot_be_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="JOBREG_FAILPOINTS"):
        failpoints._parsed(bad)


def test_a_point_is_reached_so_many_times_before_it_acts() -> None:
    code = (
        "from jobreg import failpoints\n"
        "for number in range(3):\n"
        "    print(number, flush=True)\n"
        "    failpoints.reach('attempt.begun')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"JOBREG_FAILPOINTS": "attempt.begun=kill@2"},
        capture_output=True, check=False,
    )  # fmt: skip

    assert (done.returncode, json.loads(done.stdout.split()[-1])) == (KILLED, 1)
