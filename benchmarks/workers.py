"""Jobs to measure with, real worker processes that run them, and a look at what they left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import limits

from jobreg import Registry
from jobreg.store import Store
from jobreg.testing import write_plugin

NOOP = "bench.noop"
STAMP = "bench.stamp"
REST = "bench.rest"
SOURCE = """
import os, time

def stamp(x):
    began = time.time_ns()
    return [x, os.getpid(), began]

def rest(x, seconds):
    began = time.time_ns()
    time.sleep(seconds)
    return [x, os.getpid(), began]
"""
NOOP_SOURCE = """
def noop{0}(x):
    return [x, os.getpid()]
"""
MOST_NAMES = 200
# Of so many runs at the end of the queue a look is cheap, whatever the database keeps of the dead.
_TAIL = 2_000
_LOOK_EVERY = 0.01


def noops(names: int = 1) -> list[str]:
    """The names of so many jobs that do nothing."""
    return [f"{NOOP}{number}" for number in range(names)]


def install(folder: Path) -> Registry:
    """Advertise the jobs in a folder, without pip."""
    jobs = {name: f"bench_jobs:noop{number}" for number, name in enumerate(noops(MOST_NAMES))}
    jobs |= {STAMP: "bench_jobs:stamp", REST: "bench_jobs:rest"}
    source = SOURCE + "".join(map(NOOP_SOURCE.format, range(MOST_NAMES)))
    write_plugin(folder, jobs, dist="bench", modules={"bench_jobs.py": source})
    return Registry(path=[str(folder)])


def start(
    url: str, folder: Path, *options: str, concurrency: int = 1, sync: str = "normal"
) -> subprocess.Popen[bytes]:
    """Start ``jobreg worker`` on a store, with the jobs of a folder; what it logs is kept there."""
    left_out = ("PYTHONDONTWRITEBYTECODE", "JOBREG_STORE")
    environ = {name: value for name, value in os.environ.items() if name not in left_out}
    house = str(Path(__file__).parent.parent)
    environ |= {"PYTHONPATH": f"{folder}{os.pathsep}{house}", "JOBREG_SQLITE_SYNC": sync}
    asked = ["worker", "--store", url, "--concurrency", str(concurrency), *options]
    with open(folder / "worker.log", "ab") as log:
        return subprocess.Popen([sys.executable, "-m", "jobreg", *asked], env=environ, stderr=log)


@contextmanager
def working(
    url: str, folder: Path, *options: str, concurrency: int = 1, sync: str = "normal"
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker for as long as the block lasts."""
    process = start(url, folder, *options, concurrency=concurrency, sync=sync)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            found.extend(map(int, task.read_text().split()))
    return found


class Drain:
    """What a drain took, in seconds."""

    def __init__(self, drained: float, whole: float, runs: int) -> None:
        self.rate = runs / drained
        """Runs a second, from the first claim until no run is left that is not settled."""
        self.whole = runs / whole
        """Runs a second, from the start of the processes to their end."""


def drain(
    store: Store, url: str, folder: Path, runs: int, workers: int, concurrency: int, sync: str
) -> Drain:
    """Let so many workers empty a queue, and see when the first run is taken and the last gone."""
    begun = time.perf_counter()
    some = [
        start(url, folder, "--until-idle", concurrency=concurrency, sync=sync)
        for _ in range(workers)
    ]
    try:
        drained = _watch(url, some, runs)
        for each in some:
            if each.wait(60):
                raise RuntimeError(f"a worker ended with {each.returncode}")
    finally:
        for each in some:
            each.kill()  # where it has not ended
    ended = time.perf_counter()
    check(store, runs, [each.pid for each in some])
    return Drain(drained, ended - begun, runs)


def _watch(url: str, workers: Sequence[subprocess.Popen[bytes]], runs: int) -> float:
    """Seconds from the first claim until none is left, of so many runs, that is not settled."""
    # By the driver alone: who looks a hundred times a second must not cost what is measured.
    driver = limits.connect(url)
    (last,) = driver.look("SELECT max(seq) FROM jobreg_live WHERE state = 'queued'")

    def is_there(words: str) -> bool:
        return driver.look(f"SELECT 1 FROM jobreg_live WHERE {words} LIMIT 1") is not None

    _wait(workers, lambda: is_there("state = 'running'"))
    first = time.perf_counter()
    ours = "queue = 'default' AND job_name >= 'bench.' AND job_name < 'bench/'"
    near = f"seq > {last - min(_TAIL, runs)} AND seq <= {last}"
    for words in (near, "state = 'running'", f"state = 'queued' AND {ours}", "state = 'running'"):
        _wait(workers, lambda words=words: not is_there(words))
    gone = time.perf_counter()
    driver.close()
    return gone - first


def _wait(workers: Sequence[subprocess.Popen[bytes]], until: Callable[[], bool]) -> None:
    """Look until something is so; once the workers have ended, one last time.

    Raises:
        RuntimeError: they have ended, and it is not.
    """
    over = False
    while not until():
        if over:
            raise RuntimeError("the workers ended before their work")
        over = all(each.poll() is not None for each in workers)
        time.sleep(_LOOK_EVERY)


def check(store: Store, runs: int, workers: Sequence[int]) -> None:
    """Look that the last so many runs each succeeded once, in a child, and have the right result.

    Raises:
        AssertionError: one did not; says how many and shows one.
    """
    asked: Any = (
        "SELECT r.run_id, r.state, r.attempt, r.params, r.result, a.attempt, a.outcome, a.pid "
        "FROM jobreg_runs r LEFT JOIN jobreg_attempts a ON a.run_id = r.run_id "
        "WHERE r.job_name LIKE 'bench.%%' AND r.worker_id IS NOT NULL "
        f"ORDER BY r.seq DESC LIMIT {runs}"
    )
    with store.reading() as connection:
        rows = connection.exec_driver_sql(asked).all()
    wrong = [row for row in rows if not _right(row, workers)]
    attempts = Counter(row[0] for row in rows)
    assert len(rows) == len(attempts) == runs, (len(rows), len(attempts), runs)
    assert not wrong, (len(wrong), wrong[0])
    values = Counter(json.loads(row[3])["x"] for row in rows)
    assert set(values.values()) == {1}, values.most_common(1)


def check_queued(store: Store, runs: int) -> None:
    """Look that so many runs are stored, each once, and wait.

    Raises:
        AssertionError: there are others; says how many.
    """
    asked = (
        "SELECT count(*), count(DISTINCT r.params), count(l.run_id) FROM jobreg_runs r "
        "LEFT JOIN jobreg_live l ON l.run_id = r.run_id AND l.state = 'queued'"
    )
    with store.reading() as connection:
        found = tuple(connection.exec_driver_sql(asked).one())
    assert found == (runs, runs, runs), (found, runs)


def _right(row: Any, workers: Sequence[int]) -> bool:
    _, state, attempt, params, result, kept, outcome, pid = row
    if (state, attempt, kept, outcome) != ("succeeded", 1, 1, "succeeded") or pid in workers:
        return False
    value = json.loads(result)
    return bool(value[0] == json.loads(params)["x"] and value[1] == pid)
