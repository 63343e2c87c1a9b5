"""The supervisor: one turn after another until it is told to stop. Imports no job, ever."""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from attrs import evolve

from .. import clock, failpoints, settings
from ..catalogue import Hello
from ..engines.base import Note, Output
from ..engines.processes import ProcessEngine
from ..errors import Conflict, StoreError
from ..events import emit
from ..lifecycle import Claim, Ending, Outcome, State
from ..options import Duration, seconds
from ..registry import Registry, default_registry
from ..store import Store, open_store
from .claimer import Claimer
from .guard import Guard
from .leases import FENCE_AT, Lease
from .outage import Outage, pause_after
from .ownership import Ownership
from .scribe import Scribe
from .settler import Settler
from .signals import heard, in_main_thread
from .upkeep import Upkeep

_DIED = (Ending.CRASHED, Ending.LOST)

_LONGEST = 1.0
_LOOK_EVERY = 10.0
_STALLED = 1.0
_MIND_EVERY = 0.5
_AGAIN = 0.05
LAST = 5.0
"""Seconds for the last outcomes to be written, once the children are killed."""
_FIRST = -math.inf  # when to do what comes before the next claim


def _not_waiting() -> None:
    """Nobody is to be woken: it has not begun."""


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
        retain: how long runs are kept once they are over, as ``{"succeeded": "7d", "failed":
            "forever"}`` or ``"succeeded=7d"``; by default ``JOBREG_RETAIN``.
        until_idle: stop when nothing is queued that this worker could run.

    ``run()`` in the main thread drains on SIGTERM, Ctrl-C and SIGHUP; a second signal skips the
    wait. ``start()`` runs it in a thread of an application, where no signal is touched; ``stop()``
    ends it. As a context manager it is started and stopped. A worker works once: make a new one to
    work again.

    Example:
        >>> import jobreg, tempfile
        >>> with jobreg.Worker(tempfile.mkdtemp() + "/jobs.db") as worker:
        ...     worker.stopping
        False
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
        retain: str | Mapping[str, Duration | None] | None = None,
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
            retain=retain,
        )
        self._given_store = store if isinstance(store, Store) else None
        self.registry = registry or default_registry()
        self._until_idle = until_idle
        self._grace = self.settings.grace
        self._began = False
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._signalled = 0
        self._asked_to_drain = False
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._failed_turns = 0
        self._outage = Outage()
        self._wake: Callable[[], None] = _not_waiting
        self._look = True
        self._stirred = False
        self._told: Collection[tuple[str, str]] | None = None
        self._look_at = self._mind_at = self._reconcile_at = 0.0
        self._ends = math.inf

    # what the caller does

    def run(self) -> None:
        """Work until told to stop; then let running jobs finish for the grace, and return.

        Raises:
            Conflict: this worker was started or stopped before.
            StoreError: the store cannot be opened, or this worker not be registered.
        """
        self._begin()
        self._run()

    def _begin(self) -> None:
        """See that this is the first time."""
        if self._began or self._stop.is_set():
            told = "is stopped" if self._stop.is_set() else "is running already"
            raise Conflict(f"This worker {told}, and a worker works once. Make another Worker.")
        self._began = True

    def _run(self) -> None:
        with heard(self._on_signal), self._house():
            emit("worker.started", worker_id=self.lease.worker_id)
            self._ready.set()
            while not self.stopping and self._turn(claiming=True):
                pass
            self._drain()

    def start(self) -> Worker:
        """Work in a thread of this process; returns once the worker is registered.

        Raises:
            Conflict: this worker was started or stopped before.
            StoreError: the store cannot be opened, or this worker not be registered.
        """
        self._begin()
        self._thread = threading.Thread(
            target=self._run_in_thread, name="jobreg-worker", daemon=True
        )
        atexit.register(self.stop)  # an application that forgets to stop us must still end
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self.stop()
            raise self._failure
        return self

    def stop(self, timeout: Duration | None = None, *, wait: bool = True) -> None:
        """Drain and end. A second call skips the rest of the wait; one after the end does nothing.

        Args:
            timeout: how long running jobs may go on, in place of the worker's grace. What is
                left then is killed and queued again, uncounted.
            wait: return when the worker has ended; else at once.

        Raises:
            BadInput: the timeout is no duration.
        """
        grace = self._grace if timeout is None else seconds(timeout, "timeout")
        if self._stop.is_set():
            self._hurry.set()
        self._grace = grace
        self._stop.set()
        self._wake()
        atexit.unregister(self.stop)
        if wait and self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Worker:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def stopping(self) -> bool:
        """Was it told to stop?"""
        return self._stop.is_set() or self._signalled > 0 or self._asked_to_drain

    @property
    def _hurrying(self) -> bool:
        return self._hurry.is_set() or self._signalled > 1

    # the house of one worker

    @contextmanager
    def _house(self) -> Iterator[None]:
        """Open the store and start guard, engine and lease, in that order; end them in reverse."""
        self.store = self._given_store or open_store(
            self.settings.store, sqlite_sync=self.settings.sqlite_sync
        )
        file = self.store.database.file
        # An application that has us in another thread is not to be ended for our sake.
        database = file if in_main_thread() else None
        guard = Guard(self.settings.lease * FENCE_AT, database, warm=file)
        self.engine = ProcessEngine(self.settings, guard)
        self._wake = self.engine.wake
        self.ownership = Ownership(self.store, self.registry)
        names = self.ownership.names
        self.lease = Lease(
            self.store, self.settings, guard, names, self.engine.kill, self.engine.end_writer,
            self._condition, self._outage,
        )  # fmt: skip
        self.settler = Settler(self.store, self.lease.host.name)
        self.scribe = Scribe(self.store)
        self.claimer = Claimer(self.store, self.ownership, self.engine, self.settings.queues)
        self.upkeep = Upkeep(self.store, self.settings, self.lease.host)
        self._watch = self.store.watch(listen=True)
        try:
            guard.start()
            self.engine.start()
            self.ownership.look()
            self.lease.start()
            yield
        finally:
            self.engine.close()
            guard.close()
            self.lease.close()
            self._watch.close()
            if self._given_store is None:
                self.store.close()
            if self.lease.worker_id:
                emit("worker.stopped", worker_id=self.lease.worker_id)

    def _condition(self) -> str | None:
        """How this worker is, for those who look into the store; None: well."""
        if self.stopping:
            return "draining"
        return "degraded" if self._failed_turns or self.engine.refused else None

    def _on_signal(self) -> None:
        self._signalled += 1
        self._wake()

    def _run_in_thread(self) -> None:
        try:
            self._run()
        except BaseException as error:  # handed to the thread that called start()
            self._failure = error
            emit("worker.failed", error=error)
        finally:
            self._ready.set()

    # one turn

    def _turn(self, *, claiming: bool) -> bool:
        """Take reports, settle, claim, mind. False when there is nothing left to do."""
        self._take_reports(self._pause(claiming))
        try:
            if self.lease.lost:
                self._begin_anew()
            self._settle()
            self._look_around()
            # A claim comes before upkeep: somebody may be waiting for that run.
            idle = claiming and self.lease.held and self._claim()
            self._mind()
        except StoreError as error:
            self._wait_out(error)
            return True
        if self._outage.passed("turn"):
            self._failed_turns = 0
            self.lease.beat_now()
        return not (idle and self._until_idle and not self._look)

    def _pause(self, claiming: bool) -> float:
        """Seconds in which there will be nothing to do, if nothing comes from outside."""
        now, busy = clock.seconds(), self.settler.holds > 0
        if self._hurrying or self.lease.lost or (claiming and self._look and self.claimer.wants()):
            return 0.0
        times = [_LONGEST, self.settler.pause(), self._ends - now, self._watch.pause(busy),
                 self.upkeep.due_at - now, self.scribe.due_at - now,
                 self.ownership.due_at - now]  # fmt: skip
        if busy:
            times.append(self._mind_at - now)
        if self.claimer.waits:
            times.append(_AGAIN)
        return max(0.0, min(times))

    def _take_reports(self, pause: float) -> None:
        # What others write concerns us only while we could take something on.
        also = self._watch.fileno() if self.claimer.wants() else None
        for report in self.engine.collect(pause, also):
            match report:
                case Outcome():
                    failpoints.reach("outcome.unwritten")
                    if report.ending in _DIED and self._was_frozen(report):
                        report = evolve(report, ending=Ending.RELEASED, error=None)
                    claim = self.settler.add(report)
                    if claim is not None and report.started is not None:
                        self.claimer.timed(claim.job_name, report.ended - report.started)
                    elif claim is not None and report.ending is Ending.RELEASED:
                        self.claimer.rest(claim.job_name)
                case Hello():
                    self.claimer.learn(report)
                    self._look = True
                case Output() if self.settler.knows(report.run_id, report.attempt):
                    self.scribe.keep(report)
                    emit("run.output", run_id=report.run_id, output=report)
                case Note():
                    self.settler.note(report)
                    emit("run.progress", run_id=report.run_id, progress=report.progress)

    def _was_frozen(self, crashed: Outcome) -> bool:
        """Did our guard kill it while we could not beat? Then it is no fault of the run."""
        return not self.lease.held or (crashed.started or 0.0) < self.lease.gap_ended

    def _settle(self) -> None:
        # The last line is there before the outcome is: who sees a run final can read all of it.
        due = self.settler.pause() <= 0
        self.scribe.write(self.lease.worker_id, now=due)
        settled = self.settler.settle(self.lease.worker_id) if due else []
        if settled:
            self.scribe.forget(settled)
            self._look = True
            waits = [each.delay for each in settled if each.state is State.SCHEDULED]
            if waits:
                self.upkeep.expect(min(waits))

    def _look_around(self) -> None:
        """Has somebody written to the database?"""
        idle = not (self._look or self.settler.holds or self.lease.beats)
        self._stirred = idle and self._watch.stirred()
        if self._stirred:  # what it was is asked after, unless it is what we expect
            return
        changed = self._watch.changed(busy=self.settler.holds > 0)
        # Where something else is to be looked for as well, what we are told is not all.
        self._told = self._watch.pairs if changed and not self._look else None
        if changed:
            self._look = True
            self.upkeep.look_for_due()
            self.ownership.look_again()

    def _mind(self) -> None:
        """Upkeep, and what others want of our runs."""
        if self.ownership.look():
            self._look = True
            self.claimer.unmake()
        if self.claimer.rested():
            self._look = True
        if self.upkeep.run(self.lease.worker_id):
            self._look = True
        self._asked_to_drain = self.upkeep.asked == "drain"
        now = clock.seconds()
        if now >= self._reconcile_at:
            self._reconcile()
        if now >= self._mind_at and self.settler.holds:
            self._mind_at = now + _MIND_EVERY
            self.settler.write_progress(self.lease.worker_id)
            if self.engine.stalled() > _STALLED:
                # Taken ahead, and now behind long runs: another worker may be free.
                self.settler.release(self.engine.withdraw())
            for run_id, attempt in self.store.cancels_asked(self.lease.worker_id):
                self.engine.interrupt(run_id, attempt, Ending.CANCELLED)

    def _reconcile(self) -> None:
        if self.settler.reconcile(self.lease.worker_id):
            self._look = True
        self._reconcile_at = clock.seconds() + self.settings.lease

    def _claim(self) -> bool:
        """Claim if there may be something to claim; True when nothing is and nothing runs."""
        if self._reconcile_at == _FIRST:  # else each claim that is lost would keep more from others
            self._reconcile()
        now = clock.seconds()
        if self.settler.holds_suspect:
            return False
        if (self._look or self._stirred or now >= self._look_at) and self.claimer.wants():
            claims = self._claimed(now)
            if claims is None:
                self.lease.lost = True
                return False
            self.claimer.among_suspects = bool(claims) and claims[0].suspect
            if claims:
                self._look = True
                ready = self.settler.take(claims)
                if self.lease.held:
                    self.engine.execute(ready)
                else:  # the claim took too long: others may think us dead by now
                    self.settler.release(ready)
        if self._look or self._stirred or self.settler.holds or self.claimer.waits:
            return False
        self.claimer.make_ready()
        return True

    def _claimed(self, now: float) -> list[Claim] | None:
        """What can be had: of what we expect, or of all that waits; None when we are fenced."""
        try:
            if self._stirred:
                return self.claimer.claim_expected(self.lease.worker_id)
            self._look, self._look_at = False, now + _LOOK_EVERY
            alone = not self.settler.holds
            return self.claimer.claim(
                self.lease.worker_id, alone=alone, told=self._told, by=self._watch.lent
            )
        except StoreError:
            self._look, self._reconcile_at = True, _FIRST
            raise

    def _begin_anew(self) -> None:
        """This worker was declared dead: end what it runs, and come back under a new id."""
        self.engine.withdraw()
        self.engine.kill()
        self.settler.discard()
        self.scribe.discard()
        self.lease.register()
        self._look = True

    def _wait_out(self, error: StoreError) -> None:
        self._outage.met("turn", error)
        ends = clock.seconds() + pause_after(self._failed_turns)
        self._failed_turns += 1
        told_before = self.stopping
        while True:  # once in any case, and no longer than what it was told since allows
            time.sleep(_AGAIN)
            told = self._hurrying or self.stopping is not told_before
            if told or clock.seconds() >= min(ends, self._ends):
                return

    # the end

    def _drain(self) -> None:
        """Claim no more; let running jobs end for the grace, then end them and release them."""
        emit("worker.stopping", worker_id=self.lease.worker_id)
        self.lease.beat_now()
        self._ends = clock.seconds() + self._grace
        self.settler.release(self.engine.withdraw())
        self.engine.announce_stop()
        while self.settler.holds and clock.seconds() < self._ends and not self._hurrying:
            self._turn(claiming=False)
        self.engine.kill()
        self._ends = clock.seconds() + self.settings.kill_grace + LAST
        while self.settler.holds and clock.seconds() < self._ends:
            self._turn(claiming=False)
        self.settler.give_up()
