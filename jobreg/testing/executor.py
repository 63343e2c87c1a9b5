"""Executes runs in the process that submitted them, by the way they go in production."""

from __future__ import annotations

import json
import threading
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from .. import clock, settings
from ..catalogue import Hello
from ..engines.inline import InlineEngine
from ..errors import Interrupted, JobRegError, WaitTimeout
from ..lifecycle import Outcome, RunRecord, State
from ..registry import Registry
from ..request import new_run_id
from ..store import Offer, Store
from ..store.database import Watch
from ..worker import leases
from ..worker.claimer import Claimer
from ..worker.host import Host
from ..worker.ownership import Ownership
from ..worker.settler import Settler
from .clock import FakeClock, read

MOST = 10_000
"""Attempts made in one go, before jobs that submit jobs are taken to do so without end."""

# What else may come out of a job is not its run's: Ctrl-C, what a test framework ends a test by.
_OF_THE_RUN = (Exception, SystemExit, GeneratorExit, CancelledError, Interrupted)

_inside: ContextVar[Executor | None] = ContextVar("jobreg_testing_inside", default=None)


class InlineStore(Store):
    """A store that has someone told when runs were submitted, and when somebody waits."""

    def __init__(
        self, opened: Store, submitted: Callable[[], None], waited: Callable[[], bool]
    ) -> None:
        super().__init__(opened.database)
        self.watch = lambda **_: _Watch(opened.watch(), waited)
        self.take_time_from(read)
        self._submitted = submitted

    def insert(self, runs: Sequence[RunRecord], connection: object = None) -> list[RunRecord]:
        """Store new runs, and return them as they stand when those that are due were executed.

        On a connection of the caller's they are executed after its commit, by what comes next.
        """
        stored = super().insert(runs, connection)
        if connection is not None:
            return stored
        self._submitted()
        return [self.get(run.run_id) for run in stored]

    def reopen(self, run: RunRecord) -> bool:
        """Queue a run again, which is then due like any other."""
        reopened = super().reopen(run)
        self._submitted()
        return reopened


class _Watch:
    """Tells of a change, where there was none lets one happen, and knows when none can."""

    pairs = lent = None

    def __init__(self, watch: Watch, waited: Callable[[], bool]) -> None:
        self._watch = watch
        self._waited = waited
        self._watch.changed()  # from here on

    def stirred(self) -> bool:
        return False

    def changed(self, busy: bool = True) -> bool:
        return self._watch.changed(busy) or self._waited()

    def pause(self, busy: bool = True) -> float:
        return self._watch.pause(busy)

    def fileno(self) -> int | None:
        return self._watch.fileno()

    def close(self) -> None:
        self._watch.close()


class Executor:
    """Claims, executes and settles what is due in one store, one run after the other.

    ``inline``: at once when something is submitted, retried or comes due. ``raises``: what made a
    run fail for good is raised where it was submitted.
    """

    def __init__(self, opened: Store, registry: Registry, *, inline: bool, raises: bool) -> None:
        self.inline = inline
        self.raises = raises
        self.clock = FakeClock(self._advance_to)
        self.store = InlineStore(opened, self.run_due, self._waited)
        self._ownership = Ownership(self.store, registry)
        self._settings = settings.load(store=opened.full_url, concurrency=1)
        self._here = Host.here()
        self._worker_id = ""
        self._lock = threading.Lock()
        self._more = False
        self._kept: BaseException | None = None

    def run_due(self) -> None:
        """Inline, execute all that is due; what a job submits waits for that job to return."""
        self._more = True
        # Who finds somebody at it, be it the job that submits, leaves the run to that one.
        while self.inline and self._more and not self._lock.locked():
            self.drain()

    def drain(
        self, job_name: str | None = None, limit: int | None = None, *, scheduled: bool = False
    ) -> list[str]:
        """Execute what is due, in the order a worker would take it; returns the runs' ids.

        ``limit`` counts attempts. With ``scheduled`` the clock is moved to what is due later.
        """
        done: list[str] = []
        with self._alone():
            while limit is None or len(done) < limit:
                wait = self.store.stage_due()
                run_id = self._step(job_name)
                if run_id is not None:
                    done.append(run_id)
                elif scheduled and wait is not None:
                    self.clock.set(self._due(wait))
                else:
                    break
                if len(done) >= MOST:
                    raise JobRegError(
                        f"{MOST:,} attempts were made and more are due. If a job submits itself "
                        "without end, give a limit or let submits be stored only."
                    )
        return list(dict.fromkeys(done))

    @property
    def _within(self) -> bool:
        """Is the caller a job that this one executes?"""
        return _inside.get() is self

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._within:
            yield
            return
        with self._lock:
            self._more = False
            token = _inside.set(self)
            try:
                with clock.holding(self.clock.microseconds):
                    yield
            finally:
                _inside.reset(token)
        kept, self._kept = self._kept, None
        if kept is not None:
            raise kept

    def _due(self, wait: float) -> int:
        return self.clock.microseconds() + max(1, round(wait * 1_000_000))

    def _advance_to(self, goal: int) -> None:
        try:
            while self.inline and not self._within and not self._lock.locked():
                self.drain()
                wait = self.store.stage_due()
                if wait is None or self._due(wait) > goal:
                    break
                self.clock.set(self._due(wait))
        finally:
            self.clock.set(goal)
        self.run_due()

    def _waited(self) -> bool:
        """Somebody waits for a run: execute what is due; may anything still change?"""
        elsewhere = self._lock.locked() and not self._within
        if (self.inline or self._within) and not elsewhere and self.drain():
            return True
        others = (each for each in self.store.workers() if each.worker_id != self._worker_id)
        if elsewhere or any(each.live for each in others):
            return True
        raise WaitTimeout(
            "This wait would never end: nothing is due, and no worker runs. Move the clock "
            "(clock.advance), or call run_pending() where submits are only stored."
        )

    # one attempt, by a worker's own means

    def _step(self, job_name: str | None) -> str | None:
        raised: list[BaseException] = []
        engine = InlineEngine(self._settings, self._is_cancelled, raised.append)
        claimer = Claimer(self.store, self._ownership, engine, ())
        settler = Settler(self.store, self._here.name)
        self._ownership.look()
        pairs = [pair for pair in self.store.due() if job_name in (None, pair[1])]
        offers = self._offers(claimer, engine, {name for _, name in pairs})
        worker_id = self._beat()
        claims = self.store.claim(worker_id, pairs, list(offers.values())) if offers else None
        if not claims:
            return None
        engine.execute(settler.take(claims))
        for report in engine.collect(0):
            if isinstance(report, Outcome):
                settler.add(report)
        self._pass_on(raised, settler.settle(worker_id))
        return claims[0].run_id

    def _offers(self, claimer: Claimer, engine: InlineEngine, names: set[str]) -> dict[str, Offer]:
        known = [ref for name in sorted(names) if (ref := self._ownership.ref(name)) is not None]
        for ref in known:
            claimer.offer(ref)
        for report in engine.collect(0):
            if isinstance(report, Hello):
                claimer.learn(report)
        self._ownership.look()
        offers = [claimer.offer(ref) for ref in known]
        return {offer.job_name: offer for offer in offers if offer is not None}

    def _beat(self) -> str:
        names, lease = self._ownership.names(), self._settings.lease
        if not (self._worker_id and self.store.beat(self._worker_id, lease, json.dumps(names))):
            self._worker_id = new_run_id()
            row = leases.columns(self._worker_id, self._here, self._settings, names)
            self.store.register(row)
        return self._worker_id

    def _is_cancelled(self, run_id: str, attempt: int) -> bool:
        return (run_id, attempt) in self.store.cancels_asked(self._worker_id)

    def _pass_on(self, raised: list[BaseException], outcomes: list[Outcome]) -> None:
        for error in raised:
            if not isinstance(error, _OF_THE_RUN):
                raise error
            if self.raises and outcomes and outcomes[0].state is State.FAILED:
                self._kept = self._kept or error
