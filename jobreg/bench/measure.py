"""Measures on an empty store: each figure of ours, then the plain driver's at the same work."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from attrs import frozen

from .. import clock
from ..client import Client
from ..events import listen
from ..options import DEFAULT_QUEUE
from ..registry import Registry
from ..store import Store, raw
from ..worker.worker import Worker
from .checker import check
from .jobs import noop

P = ParamSpec("P")
T = TypeVar("T")

FEWEST, MOST = 100, 1_000_000

_JOB = "bench.noop"
_RAW_JOB = "bench.raw"
_ONE_BY_ONE = 1_000
_TOGETHER = 10_000
_MOST_RAW = 100_000
_LATENCIES = 100
# Seconds: a worker on MySQL, who is told of nothing, may look every other second only.
_LATENCIES_FOR = 10.0
_MOST_WAIT = 30.0
_IDLE = 0.05


@frozen
class Figure:
    """Runs a second: ours, and those of the plain driver."""

    ours: float
    driver: float

    @property
    def ratio(self) -> float:
        """Ours, as a part of the driver's."""
        return self.ours / self.driver


@frozen(kw_only=True)
class Report:
    """What was measured."""

    concurrency: int
    latencies: Sequence[float]
    """Milliseconds from submit to start, sorted."""
    figures: dict[str, Figure]
    faults: dict[str, list[str]]
    seconds: float

    @property
    def good(self) -> bool:
        """Was every run done once, in a child, with the right result?"""
        return not any(self.faults.values())

    def latency(self, part: float) -> float:
        """What this part of the latencies does not pass."""
        return self.latencies[math.ceil(part * len(self.latencies)) - 1]


def measure(store: Store, runs: int, *, tell: Callable[[str], None] = lambda _: None) -> Report:
    """Submit and drain so many runs on an empty store, in this process and its children.

    Args:
        store: made by :func:`jobreg.store.scratch.scratch_store`.
        runs: how many are drained; the first of them are submitted one by one.
        tell: is told what is being measured.

    Raises:
        KeyboardInterrupt: the worker was told to end.
        StoreError: the database did not do what it was told.
    """
    began, ours = clock.seconds(), _Ours(store)
    singles = min(_ONE_BY_ONE, runs // 2)
    rest, figures = runs - singles, dict[str, Figure]()
    tell("submit to start, on an idle worker")
    latencies = ours.latencies(min(_LATENCIES, runs // 5))
    with raw.driver(store) as driver:
        tell(f"submit one by one: {singles} runs")
        pairs = raw.queued(_RAW_JOB, singles)
        mine, its = _seconds(ours.submit, range(singles)), _seconds(driver.insert, pairs)
        figures["submit"] = Figure(singles / mine, singles / its)
        tell(f"submit_many: {rest} runs")
        pairs = raw.queued(_RAW_JOB, min(rest, _MOST_RAW))
        mine = _seconds(_in_portions, ours.submit_many, range(rest))
        its = _seconds(_in_portions, driver.insert_many, pairs)
        figures["submit_many"] = Figure(rest / mine, len(pairs) / its)
        tell(f"drain: {runs} runs")
        its = _seconds(driver.drain, _RAW_JOB)
    figures["drain"] = Figure(runs / ours.drain(), (singles + len(pairs)) / its)
    return Report(
        concurrency=ours.client.settings.concurrency,
        latencies=latencies,
        figures=figures,
        faults=check(store, _JOB, ours.submitted),
        seconds=clock.seconds() - began,
    )


class _Ours:
    """A kept client and, when it is asked for, a worker; knows every run it has submitted."""

    def __init__(self, store: Store) -> None:
        self.registry = Registry(path=[])
        self.registry.add(_JOB, noop)
        self.client = Client(store, self.registry)
        self.submitted: dict[str, int] = {}

    def submit(self, numbers: Sequence[int]) -> None:
        """Submit a run for each number, by itself."""
        for each in numbers:
            self.submitted[self.client.submit(_JOB, {"number": each}).id] = each

    def submit_many(self, numbers: Sequence[int]) -> None:
        """Submit a run for each number, all in one transaction."""
        made = self.client.submit_many([(_JOB, {"number": each}) for each in numbers])
        self.submitted.update(zip((run.id for run in made), numbers, strict=True))

    def latencies(self, samples: int) -> list[float]:
        """Milliseconds from submit to the start of the job's code, sorted."""
        waits, ends = list[float](), clock.seconds() + _LATENCIES_FOR
        with self._worker():
            for each in range(samples + 1):
                if clock.seconds() > ends and len(waits) > 1:
                    break
                time.sleep(_IDLE * random.random())  # so as not to be in step with anybody's look
                run = self.client.submit(_JOB, {"number": each}).wait(_MOST_WAIT)
                self.submitted[run.id] = each
                created, started = run.record.created_at, run.record.started_at
                assert created is not None
                wait = (started or created) - created  # of one that never did the checker speaks
                waits.append(max(0.0, wait.total_seconds() * 1000))
        return sorted(waits[1:])  # for the first one a child had to be made

    def drain(self) -> float:
        """Let a new worker do all that waits; the seconds from its first claim to its last word."""
        moments: dict[str, float] = {}

        def note(event: str, _: dict[str, object]) -> None:
            if event == "run.settled" or event not in moments:
                moments[event] = clock.seconds()

        stop_listening, began = listen(note), clock.seconds()
        worker = self._worker(until_idle=True)
        try:
            worker.run()
        finally:
            stop_listening()
        if worker.stopping:
            raise KeyboardInterrupt
        ended = moments.get("run.settled", clock.seconds())
        return ended - moments.get("run.claimed", began)

    def _worker(self, *, until_idle: bool = False) -> Worker:
        """A worker that serves the scratch store and keeps what is over, whatever is set."""
        return Worker(
            self.client.store,
            registry=self.registry,
            queues=[DEFAULT_QUEUE],
            retain="succeeded=forever",
            until_idle=until_idle,
        )


def _seconds(act: Callable[P, object], *given: P.args, **more: P.kwargs) -> float:
    began = clock.seconds()
    act(*given, **more)
    return clock.seconds() - began


def _in_portions(act: Callable[[Sequence[T]], object], values: Sequence[T]) -> None:
    """Do it with as many at a time as one transaction is given."""
    for first in range(0, len(values), _TOGETHER):
        act(values[first : first + _TOGETHER])
