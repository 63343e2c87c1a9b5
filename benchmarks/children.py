"""What a child costs: to start, by each method, and to hand it work.

    python benchmarks/children.py [--rounds 15] [--runs 20000]

*start*: from the word to the first message of a child that does nothing else, medians; the
forkserver has loaded what jobreg's has. *engine* is jobreg's own: from a claim given to an engine
without children to the outcome of a job that does nothing, the import of its module included.
*hand over*: JSON bytes through a pipe to a child that answers each message, with one in flight,
with sixteen, and several to a message; beside it jobreg's engine with one child, given a run when
the last is back, and given all at once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import echo
import multiprocess
import workers
from multiprocess import spawn

from jobreg import settings
from jobreg.engines.processes import ProcessEngine
from jobreg.lifecycle import Claim, Ending, Outcome, Provider
from jobreg.options import JobOptions

METHODS = ("fork", "forkserver", "spawn")
_describe = spawn.get_preparation_data


def _describe_without_main(name: str) -> dict[str, Any]:
    """A child of ours does not run this program again, nor would one of a worker."""
    told: dict[str, Any] = _describe(name)
    return {key: value for key, value in told.items() if not key.startswith("init_main")}


@contextmanager
def child(method: str) -> Iterator[Any]:
    """The pipe to a child that has said that it is there."""
    spawn.get_preparation_data = _describe_without_main  # an engine has its own
    context = multiprocess.get_context(method)
    ours, its = context.Pipe()
    process = context.Process(target=echo.echo, args=(its,))
    process.start()
    its.close()
    ours.recv_bytes()
    try:
        yield ours
    finally:
        ours.send_bytes(b"")
        process.join(10)
        ours.close()


def start(method: str) -> float:
    """Milliseconds until a child is there."""
    begun = time.perf_counter()
    with child(method):
        return (time.perf_counter() - begun) * 1000


def hand_over(pipe: Any, runs: int, in_flight: int, batch: int) -> float:
    """Runs a second through a pipe, so many messages in flight, so many runs to a message."""
    batches = [
        [{"id": f"{first + n}", "x": first + n} for n in range(batch)]
        for first in range(0, runs, batch)
    ]
    begun, waiting, back = time.perf_counter(), deque(batches), 0
    sent = 0
    while back < len(batches):
        while waiting and sent - back < in_flight:
            pipe.send_bytes(json.dumps(waiting.popleft()).encode())
            sent += 1
        answers = json.loads(pipe.recv_bytes())
        assert answers[0]["result"] == batches[back][0]["x"]
        back += 1
    return len(batches) * batch / (time.perf_counter() - begun)


class Groups:
    """Stands in for the guard."""

    def watch(self, group: int) -> None:
        """Not minded here."""

    def forget(self, group: int) -> None:
        """Not minded here."""


@contextmanager
def engine(folder: Path, method: str | None = None) -> Iterator[ProcessEngine]:
    """An engine of one child, which is started by the first claim."""
    chosen = settings.load(store=f"sqlite:///{folder}/none.db", concurrency=1)
    made = ProcessEngine(chosen, Groups(), method)
    made.start()
    try:
        yield made
    finally:
        made.close()


def claims(first: int, number: int) -> list[Claim]:
    """So many claims of a job that does nothing."""
    return [
        Claim(
            run_id=f"run-{first + n}",
            job_name=workers.noops()[0],
            params=json.dumps({"x": first + n}),
            attempt=1,
            target="bench_jobs:noop0",
            provider=Provider("bench", "1.0"),
            options=JobOptions(),
        )
        for n in range(number)
    ]


def outcomes(made: ProcessEngine, number: int) -> None:
    """Wait for so many outcomes; each is a success."""
    while number:
        for report in made.collect(1.0):
            if isinstance(report, Outcome):
                assert report.ending is Ending.SUCCEEDED, report
                number -= 1


def by_engine(folder: Path, runs: int) -> tuple[float, float]:
    """Runs a second through an engine of one child: one after another, and all given at once."""
    with engine(folder) as made:
        made.execute(claims(0, 1))
        outcomes(made, 1)
        few = claims(1, runs // 10)
        begun = time.perf_counter()
        for each in few:
            made.execute([each])
            outcomes(made, 1)
        single = len(few) / (time.perf_counter() - begun)
        many = claims(runs, runs)
        begun = time.perf_counter()
        made.execute(many)
        outcomes(made, runs)
        return single, runs / (time.perf_counter() - begun)


def first_outcome(folder: Path) -> float:
    """Milliseconds until a new engine, whose forkserver is there, has run one job."""
    with engine(folder) as made:
        begun = time.perf_counter()
        made.execute(claims(0, 1))
        outcomes(made, 1)
        return (time.perf_counter() - begun) * 1000


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--runs", type=int, default=20_000)
    asked = parser.parse_args()
    multiprocess.set_forkserver_preload(["jobreg.engines.preload", "echo"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workers.install(folder)
        sys.path.insert(0, str(folder))
        took: dict[str, list[float]] = {}
        for _ in range(asked.rounds + 1):
            for method in METHODS:
                took.setdefault(method, []).append(start(method))
            took.setdefault("engine", []).append(first_outcome(folder))
        print("start of a child, ms")
        for title, times in took.items():
            print(f"    {title:24}{statistics.median(times[1:]):10.1f}")
        print("hand over, runs a second")
        with child("forkserver") as pipe:
            for in_flight, batch in ((1, 1), (16, 1), (1, 10), (1, 100), (4, 100)):
                rate = hand_over(pipe, asked.runs, in_flight, batch)
                title = f"{in_flight} in flight, {batch} to a message"
                print(f"    pipe, {title:32}{rate:>10,.0f}", flush=True)
        single, many = by_engine(folder, asked.runs)
        print(f"    {'engine, one after another':38}{single:>10,.0f}")
        print(f"    {'engine, all given at once':38}{many:>10,.0f}")


if __name__ == "__main__":
    main()
