"""Real workers under load, killed and frozen at random, until so many have been."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field, frozen

from .. import clock
from ..client import Client
from ..errors import StoreError
from ..registry import Registry
from ..request import new_run_id
from ..store import Store
from ..testing import write_plugin
from ..worker.signals import in_main_thread
from .checker import Verdict, check
from .effects import make_effects_table
from .jobs import JOBS

LEASE = 2.0
WORKERS = 4
_BETWEEN = 0.1
_BATCH = 40
_BATCH_A_KILL = 4
_DRAIN = 120.0
_MOST_CRASHES = 100_000


@frozen(kw_only=True)
class Report:
    """What was done to the workers, and what the checker says of the store afterwards."""

    seed: int
    seconds: float
    killed: int
    frozen: int
    children_killed: int
    refused: int
    """Writes of superseded attempts that the store refused."""
    verdict: Verdict


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """What is to end this process waits meanwhile: a worker that nobody knows of would live on."""
    came: list[int] = []
    before = {}
    if in_main_thread():
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if callable(signal.getsignal(each)):
                before[each] = signal.signal(each, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    for number in came[:1]:
        signal.raise_signal(number)


@define
class Fleet:
    """Worker processes on one store; those that die are replaced."""

    store: Store
    folder: Path
    environ: dict[str, str]
    lease: float = LEASE
    running: list[subprocess.Popen[bytes]] = field(factory=list)
    thaw_at: dict[int, float] = field(factory=dict)
    started: int = 0

    def keep(self, number: int) -> None:
        """Reap the dead and start others until there are so many."""
        self.running = [each for each in self.running if each.poll() is None]
        while len(self.running) < number:
            self.started += 1
            with open(self.folder / f"worker-{self.started}.log", "wb") as log:
                command = [sys.executable, "-m", "jobreg", "worker", "--concurrency", "2"]
                command += ["--lease", f"{self.lease}s", "--grace", "5s", "--kill-grace", "0.5s"]
                with _uninterrupted():
                    self.running.append(
                        subprocess.Popen(
                            command, env=self.environ, stdout=log, stderr=log,
                            stdin=subprocess.DEVNULL, start_new_session=True,
                        )
                    )  # fmt: skip

    def at_work(self) -> list[subprocess.Popen[bytes]]:
        """Those that hold runs and are not frozen."""
        busy = self.store.busy()
        pids = {row.pid for row in self.store.workers() if busy.get(row.worker_id)}
        found = (each for each in self.running if each.pid in pids - self.thaw_at.keys())
        return [each for each in found if each.poll() is None]

    def freeze(self, worker: subprocess.Popen[bytes], seconds: float) -> None:
        """Stop a process where it stands; :meth:`thaw` lets it go on after so long."""
        worker.send_signal(signal.SIGSTOP)
        self.thaw_at[worker.pid] = clock.seconds() + seconds

    def thaw(self, *, all_of_them: bool = False) -> None:
        """Let those go on whose time has come."""
        for worker in self.running:
            if all_of_them or self.thaw_at.get(worker.pid, 1e300) <= clock.seconds():
                self.thaw_at.pop(worker.pid, None)
                worker.send_signal(signal.SIGCONT)

    def refused(self) -> int:
        """How often a worker was told that a write was not accepted, by their logs."""
        logs = self.folder.glob("worker-*.log")
        return sum(log.read_text(errors="replace").count("lease.lost") for log in logs)

    def end(self) -> None:
        """End them all, those too that do not want to."""
        self.thaw(all_of_them=True)
        for worker in self.running:
            worker.terminate()
        for worker in self.running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(timeout=15)
            worker.kill()
            worker.wait()


def soak(
    store: Store,
    kills: int,
    *,
    seed: int | None = None,
    tell: Callable[[str], None] = lambda _: None,
    lease: float = LEASE,
) -> Report:
    """Run workers on an empty store, kill and freeze ``kills`` of them, and check what is left.

    Args:
        store: made by :func:`jobreg.store.scratch.scratch_store`.
        kills: how many workers are killed (about half) or frozen, most past their lease.
        seed: of the choice of victims; what the system makes of them differs all the same.
        tell: is told how far it is.
        lease: of the workers, in seconds.

    Raises:
        StoreError: the store was away for so long that nothing could be submitted.
    """
    seed = random.randrange(2**32) if seed is None else seed
    chance, began = random.Random(seed), clock.seconds()
    make_effects_table(store)
    with _house() as (folder, registry):
        path = [str(folder / "site"), os.environ.get("PYTHONPATH", "")]
        given = {"JOBREG_STORE": store.full_url, "PYTHONPATH": os.pathsep.join(filter(None, path))}
        others = {key: value for key, value in os.environ.items() if key[:7] != "JOBREG_"}
        fleet = Fleet(store, folder, {**others, **given}, lease)
        batch = min(_BATCH, _BATCH_A_KILL * kills)
        load = _Load(Client(store, registry), batch, meanwhile=fleet.thaw)
        done: Counter[str] = Counter()
        number = min(WORKERS, kills + 1)
        try:
            while done["killed"] + done["frozen"] < kills:
                fleet.keep(number)
                load.keep_up()
                fleet.thaw()
                _strike(fleet, chance, done)
                tell(f"{done['killed']} killed, {done['frozen']} frozen, {len(load.asked)} runs")
                time.sleep(_BETWEEN * chance.random())
            ends = clock.seconds() + _DRAIN
            while load.unfinished() and clock.seconds() < ends:
                fleet.keep(number)
                fleet.thaw()
                tell(f"all struck; {load.unfinished()} runs are left")
                time.sleep(_BETWEEN)
        finally:
            fleet.end()
        return Report(
            seed=seed,
            seconds=clock.seconds() - began,
            killed=done["killed"],
            frozen=done["frozen"],
            children_killed=done["children"],
            refused=fleet.refused(),
            verdict=check(store, load.asked),
        )


@contextmanager
def _house() -> Iterator[tuple[Path, Registry]]:
    """A folder for logs, and a plugin of the soak's jobs in it, as if pip had installed it."""
    with tempfile.TemporaryDirectory(prefix="jobreg-selftest-") as name:
        site = Path(name) / "site"
        write_plugin(site, JOBS, dist="jobreg-selftest")
        yield Path(name), Registry(path=[str(site)])


@define
class _Load:
    """Submits, in batches, as long as little waits; knows all that it has asked for."""

    client: Client
    batch: int
    meanwhile: Callable[[], None] = lambda: None
    asked: dict[str, tuple[str, int]] = field(factory=dict)

    def unfinished(self) -> int:
        """How many runs are not over."""
        counts = self.client.store.counts()
        return sum(counts[state] for state in ("scheduled", "queued", "running"))

    def keep_up(self) -> None:
        """Submit a batch if it is time; one whose fate is not known is submitted again."""
        if self.unfinished() > 1.5 * self.batch:
            return
        first = len(self.asked)
        names = sorted(JOBS)
        batch: list[dict[str, object]] = [
            {
                "job_name": names[number % len(names)],
                "params": {"number": number},
                "run_id": new_run_id(),
                "max_crashes": _MOST_CRASHES,
            }
            for number in range(first, first + self.batch)
        ]
        self._submit(batch)
        for number, run in enumerate(batch, first):
            self.asked[str(run["run_id"])] = str(run["job_name"]), number

    def _submit(self, batch: list[dict[str, object]]) -> None:
        """Submit until the store took it; it stands still where workers die at its locks.

        Whom we froze while it held the one lock of a SQLite file gives it up only when thawed, or
        when its guard ends it.
        """
        ends = clock.seconds() + _DRAIN
        while True:
            try:
                self.client.submit_many(batch)
                return
            except StoreError:
                if clock.seconds() > ends:
                    raise
                self.meanwhile()
                time.sleep(_BETWEEN)


def _strike(fleet: Fleet, chance: random.Random, done: Counter[str]) -> None:
    """Kill or freeze one worker that holds runs, or kill a process below it."""
    at_work = fleet.at_work()
    if not at_work:
        return
    victim, way = chance.choice(at_work), chance.random()
    if way < 0.25:
        below = descendants(victim.pid)
        if below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(below), signal.SIGKILL)
                done["children"] += 1
    elif way < 0.65:
        fleet.freeze(victim, fleet.lease * chance.uniform(0.75, 2.25))
        done["frozen"] += 1
    else:
        victim.kill()
        victim.wait()
        done["killed"] += 1


def descendants(pid: int) -> list[int]:
    """The processes below one: children, the forkserver, the guard. Empty where nobody can say."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = (folder / "stat").read_text(errors="replace")
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [pid]
    for known in found:
        found += [each for each, parent in parents.items() if parent == known]
    return found[1:]
