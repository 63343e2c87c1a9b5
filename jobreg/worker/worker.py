"""The supervisor: one turn after another until it is told to stop. Imports no job, ever."""

from __future__ import annotations

import atexit
import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

from attrs import evolve

from .. import clock, settings
from ..catalogue import Hello
from ..client import Client
from ..engines.base import Note
from ..engines.processes import ProcessEngine
from ..errors import StoreError
from ..events import emit
from ..lifecycle import Claim, Ending, Outcome, RunRecord, State
from ..options import Duration
from ..registry import Registry, default_registry
from ..store import Store, open_store
from .claimer import Claimer
from .guard import Guard
from .leases import FENCE_AT, Lease
from .settler import Settler
from .upkeep import Upkeep

_POLL = 0.02
_LOOK_EVERY = 5.0
_STALLED = 1.0
_MIND_EVERY = 0.5
_BACKOFF = (0.1, 5.0)


class Worker:
    """Runs queued runs until it is stopped.

    Args:
        store: a store URL, the path of a SQLite file, or an open store; by default
            ``JOBREG_STORE``, else a SQLite file in the user's data folder.
        concurrency: how many runs at a time, each in a child process; by default the cores.
        queues: the queues to serve; all by default.
        registry: the jobs to run; by default those installed here.
        lease, grace, kill_grace: seconds or ``"30s"``; by default ``JOBREG_LEASE``,
            ``JOBREG_GRACE``, ``JOBREG_KILL_GRACE``.
        until_idle: stop when nothing is queued that this worker could run.

    ``run()`` in the main thread drains on SIGTERM and Ctrl-C; a second signal skips the wait.
    ``start()`` runs it in a thread of an application, ``stop()`` ends it.

    Example:
        >>> import jobreg, tempfile
        >>> worker = jobreg.Worker(tempfile.mkdtemp() + "/jobs.db", until_idle=True)
        >>> worker.run()
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | Store | None = None,
        *,
        concurrency: int | None = None,
        queues: tuple[str, ...] | list[str] | None = None,
        registry: Registry | None = None,
        lease: Duration | None = None,
        grace: Duration | None = None,
        kill_grace: Duration | None = None,
        until_idle: bool = False,
    ) -> None:
        if isinstance(store, os.PathLike):
            store = os.fspath(store)
        self.settings = settings.load(
            store=store.full_url if isinstance(store, Store) else store,
            concurrency=concurrency,
            queues=queues,
            lease=lease,
            grace=grace,
            kill_grace=kill_grace,
        )
        self._given_store = store if isinstance(store, Store) else None
        self.registry = registry or default_registry()
        self._until_idle = until_idle
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._failed_turns = 0
        self._look = True
        self._look_at = self._mind_at = 0.0

    # what the caller does

    def run(self) -> None:
        """Work until told to stop; then let running jobs finish for the grace, and return.

        Raises:
            StoreError: the store cannot be opened, or this worker not be registered.
        """
        with self._signals(), self._house():
            emit("worker.started", worker_id=self.lease.worker_id)
            self._ready.set()
            while not self._stop.is_set() and self._turn(claiming=True):
                pass
            self._drain()

    def start(self) -> Worker:
        """Work in a thread of this process; returns once the worker is registered.

        Raises:
            StoreError: the store cannot be opened, or this worker not be registered.
        """
        self._thread = threading.Thread(
            target=self._run_in_thread, name="jobreg-worker", daemon=True
        )
        atexit.register(self.stop)  # an application that forgets to stop us must still end
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def stop(self, *, wait: bool = True) -> None:
        """Drain and end; a second call skips the rest of the grace."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()
        atexit.unregister(self.stop)
        if wait and self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    @property
    def stopping(self) -> bool:
        """Was it told to stop?"""
        return self._stop.is_set()

    def run_one(self, request: RunRecord) -> RunRecord:
        """Store one run, already claimed by this process, execute it here, and return it.

        Told to stop, it cancels the run.

        Raises:
            UnknownJob, JobConflict: the job is not installed here.
            Conflict: a run with this id exists.
        """
        ref = self.registry.ref(request.job_name)
        with self._signals(), self._house():
            due = _due(request)
            while (offer := self.claimer.offer(ref)) is None or clock.seconds() < due:
                if self._stop.is_set():
                    raise KeyboardInterrupt
                self._take_reports()
            claim = self.store.insert_claimed(request, self.lease.worker_id, offer)
            claim = self.claimer.ready(claim, offer)
            while True:
                self.settler.hold([claim])
                self.engine.execute([claim])
                while self.settler.holds:
                    self._turn(claiming=False)
                    if self._stop.is_set():
                        self.engine.interrupt(claim.run_id, claim.attempt, Ending.CANCELLED)
                    if self._hurry.is_set():
                        self.engine.kill()
                again = self._once_due(request.run_id)
                if again is None:
                    return Client(self.store, self.registry).wait_for(request.run_id)
                claim = self.claimer.ready(again, offer)

    # the house of one worker

    @contextmanager
    def _house(self) -> Iterator[None]:
        """Open the store and start guard, engine and lease, in that order; end them in reverse."""
        self.store = self._given_store or open_store(
            self.settings.store, sqlite_sync=self.settings.sqlite_sync
        )
        guard = Guard(stale=self.settings.lease * FENCE_AT)
        self.engine = ProcessEngine(self.settings, guard)
        self.lease = Lease(self.store, self.settings, guard, self.registry.names, self.engine.kill)
        self.settler = Settler(self.store, self.lease.host.name)
        self.claimer = Claimer(self.store, self.registry, self.engine, self.settings.queues)
        self.upkeep = Upkeep(self.store, self.settings, self.lease.host)
        self._watch = self.store.watch()
        guard.start()
        try:
            self.engine.start()
            self.lease.start()
            yield
        finally:
            self.engine.close()
            guard.close()
            self.lease.close()
            self._watch.close()
            if self._given_store is None:
                self.store.close()
            emit("worker.stopped", worker_id=self.lease.worker_id)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Let SIGTERM and Ctrl-C stop this worker, where it runs in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            self.stop(wait=False)

        before = {each: signal.signal(each, on_signal) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _run_in_thread(self) -> None:
        try:
            self.run()
        except BaseException as error:  # handed to the thread that called start()
            self._failure = error
            emit("worker.failed", error=error)
        finally:
            self._ready.set()

    # one turn

    def _turn(self, *, claiming: bool) -> bool:
        """Take reports, settle, mind, claim. False when there is nothing left to do."""
        self._take_reports()
        try:
            if self.lease.lost:
                self._begin_anew()
            self._settle()
            self._mind()
            idle = claiming and self.lease.held and self._claim()
        except StoreError as error:
            self._outage(error)
            return True
        if self._failed_turns:
            emit("store.up", after=self._failed_turns)
            self._failed_turns = 0
        return not (idle and self._until_idle)

    def _take_reports(self) -> None:
        for report in self.engine.collect(_POLL):
            match report:
                case Outcome():
                    if report.ending is Ending.CRASHED and not self.lease.held:
                        # While we were frozen our guard killed it: no fault of the run.
                        report = evolve(report, ending=Ending.RELEASED, error=None)
                    claim = self.settler.add(report)
                    if claim is not None and report.started is not None:
                        self.claimer.timed(claim.job_name, report.ended - report.started)
                case Hello():
                    self.claimer.learn(report)
                    self._look = True
                case Note():
                    self.settler.note(report)
                    emit("run.progress", run_id=report.run_id, progress=report.progress)

    def _settle(self) -> None:
        if self.settler.settle(self.lease.worker_id):
            self._look = True

    def _mind(self) -> None:
        """Upkeep, and what others want of our runs."""
        if self._watch.changed():
            self._look = True
            self.upkeep.look_for_due()
        if self.upkeep.run(self.lease.worker_id):
            self._look = True
        now = clock.seconds()
        if now >= self._mind_at and self.settler.holds:
            self._mind_at = now + _MIND_EVERY
            self.settler.write_progress(self.lease.worker_id)
            if self.engine.stalled() > _STALLED:
                # Taken ahead, and now behind long runs: another worker may be free.
                self.settler.release(self.engine.withdraw())
            for run_id, attempt in self.store.cancels_asked(self.lease.worker_id):
                self.engine.interrupt(run_id, attempt, Ending.CANCELLED)

    def _claim(self) -> bool:
        """Claim if there may be something to claim; True when nothing is and nothing runs."""
        now = clock.seconds()
        if (self._look or now >= self._look_at) and self.claimer.wants():
            self._look, self._look_at = False, now + _LOOK_EVERY
            claims = self.claimer.claim(self.lease.worker_id)
            if claims is None:
                self.lease.lost = True
                return False
            if claims:
                self._look = True
                self.settler.hold(claims)
                self.engine.execute(claims)
        return not (self._look or self.settler.holds or self.claimer.probing)

    def _begin_anew(self) -> None:
        """This worker was declared dead: end what it runs, and come back under a new id."""
        self.engine.withdraw()
        self.engine.kill()
        self.settler.discard()
        self.lease.register()
        self._look = True

    def _outage(self, error: StoreError) -> None:
        if not self._failed_turns:
            emit("store.down", error=error)
        least, most = _BACKOFF
        bound = min(most, least * 2.0 ** min(self._failed_turns, 10))
        self._failed_turns += 1
        self._stop.wait(bound * random.random())

    # the end

    def _drain(self) -> None:
        """Claim no more; let running jobs end for the grace, then end them and release them."""
        emit("worker.stopping", worker_id=self.lease.worker_id)
        ends = clock.seconds() + self.settings.grace
        self.settler.release(self.engine.withdraw())
        self.engine.announce_stop()
        while self.settler.holds and clock.seconds() < ends and not self._hurry.is_set():
            self._turn(claiming=False)
        self.engine.kill()
        ends = clock.seconds() + self.settings.kill_grace + 5
        while self.settler.holds and clock.seconds() < ends:
            self._turn(claiming=False)

    def _once_due(self, run_id: str) -> Claim | None:
        """Wait until a run that will be tried again is due, and claim it; None if others have."""
        while True:
            record = self.store.get(run_id)
            if record.state.final or record.state is State.RUNNING:
                return None
            if self._stop.is_set():
                self.store.cancel(run_id)
            elif record.state is State.QUEUED:
                return self.store.claim_one(run_id, self.lease.worker_id)
            self._turn(claiming=False)


def _due(request: RunRecord) -> float:
    """When a request is due, on the process clock."""
    wait = request.delay
    if request.scheduled_at is not None:
        wait = (request.scheduled_at - datetime.now(UTC)).total_seconds()
    return clock.seconds() + wait
