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
import os
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
import stores
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
    begun, waiting, back = time.perf_counter(), deque(batches), list[Any]()
    sent = 0
    while len(back) < len(batches):
        while waiting and sent - len(back) < in_flight:
            pipe.send_bytes(json.dumps(waiting.popleft()).encode())
            sent += 1
        back.append(json.loads(pipe.recv_bytes()))
    rate = len(batches) * batch / (time.perf_counter() - begun)
    assert [[each["result"] for each in answers] for answers in back] == [
        [each["x"] for each in asked] for asked in batches
    ]
    return rate


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


def outcomes(made: ProcessEngine, number: int) -> list[Outcome]:
    """Wait for so many outcomes."""
    found = list[Outcome]()
    while len(found) < number:
        found += [each for each in made.collect(1.0) if isinstance(each, Outcome)]
    return found


def look(asked: list[Claim], found: list[Outcome]) -> None:
    """Each claim has succeeded once, in a child, with the right result."""
    wanted = {each.run_id: json.loads(each.params)["x"] for each in asked}
    assert len(found) == len(wanted) == len({each.run_id for each in found})
    for each in found:
        right = each.ending is Ending.SUCCEEDED and each.pid not in (None, os.getpid())
        assert right, each
        assert json.loads(each.result or "null") == [wanted[each.run_id], each.pid], each


def by_engine(folder: Path, runs: int) -> tuple[float, float]:
    """Runs a second through an engine of one child: one after another, and all given at once."""
    with engine(folder) as made:
        made.execute(claims(0, 1))
        outcomes(made, 1)
        few, found = claims(1, max(1, runs // 10)), list[Outcome]()
        begun = time.perf_counter()
        for each in few:
            made.execute([each])
            found += outcomes(made, 1)
        single = len(few) / (time.perf_counter() - begun)
        look(few, found)
        many = claims(runs, runs)
        begun = time.perf_counter()
        made.execute(many)
        found = outcomes(made, runs)
        at_once = runs / (time.perf_counter() - begun)
        look(many, found)
        return single, at_once


def first_outcome(folder: Path) -> float:
    """Milliseconds until a new engine, whose forkserver is there, has run one job."""
    with engine(folder) as made:
        first = claims(0, 1)
        begun = time.perf_counter()
        made.execute(first)
        found = outcomes(made, 1)
        took = (time.perf_counter() - begun) * 1000
        look(first, found)
        return took


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=stores.some, default=15)
    parser.add_argument("--runs", type=stores.some, default=20_000)
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
