"""The engine of processes: warm children that can be killed, of one provider and engine each."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence

from .. import clock
from ..catalogue import CAREFUL, Hello
from ..events import emit
from ..lifecycle import PROCESSES, Claim, Ending, Lane, Outcome, Provider
from ..settings import Settings
from . import wire
from .base import Groups, Report, Room
from .batches import Batches
from .bell import Bell
from .children import IMPORT_LIMIT, Child
from .hearing import Hearing
from .lanes import Lanes
from .nursery import Nursery

_TICK = 0.5
# What multiprocess gives for the exit code of a process whose forkserver cannot tell it any more.
_UNTOLD = 255
# Seconds that a forkserver may take to be dead after its pipes have said so.
_DYING = 0.1
_NO_CHILD = (
    "Allow more open files (ulimit -n), processes (ulimit -u) or memory, or fewer children "
    "(--concurrency)."
)
_CAPS = ("max_result", "max_error", "max_log", "redact")


class ProcessEngine:
    """Runs each claim in a child process; see :class:`jobreg.engines.base.Engine`.

    A thread of its own minds the children (messages, limits, deaths), so that a slow database
    never delays a timeout. ``groups`` is told of every process group that must not outlive us.
    """

    def __init__(self, settings: Settings, groups: Groups, method: str | None = None) -> None:
        self._nursery = Nursery({"JOBREG_STORE": settings.store}, method)
        self._settings = settings
        self._caps = {name: getattr(settings, name) for name in _CAPS}
        self._most_memory = settings.child_memory
        self._groups = groups
        self._children: list[Child] = []
        self._lanes = Lanes(settings.concurrency)
        self._batches = Batches(settings)
        self._sleeps_until = 0.0
        self._rouses_at = 0.0
        self._probes: deque[tuple[str, str, Provider]] = deque()
        self._reports: deque[Report] = deque()
        self._lock = threading.RLock()
        self._news = Bell()
        self._hearing = Hearing(self, self._tell, settings.redact)
        self._failure: BaseException | None = None
        self._open = False
        self.refused = False
        """Could no child be started when one was last needed?"""
        self._thread = threading.Thread(target=self._mind, name="jobreg-minder", daemon=True)

    # the verbs

    def start(self) -> None:
        """Start the minder; children are started when there is something for them to do."""
        self._open = True
        self._thread.start()

    def room(self) -> int:
        """Say how many more claims could begin at once."""
        with self._lock:
            return self._lanes.room(self._children)

    def rooms(self, lanes: Collection[Lane]) -> dict[Lane, Room]:
        """Say what could begin at once of each lane that there are runs of."""
        with self._lock:
            return self._lanes.rooms(lanes, self._children, clock.seconds())

    def backlog(self) -> int:
        """Say how many claims were taken and have not begun."""
        with self._lock:
            single = (each for each in self._children if each.lane == PROCESSES)
            return sum(max(0, len(each.given) - 1) for each in single) + len(self._lanes)

    def stalled(self) -> float:
        """Say for how many seconds claims have waited and none could begin."""
        with self._lock:
            return self._lanes.stalled(clock.seconds())

    def execute(self, claims: Iterable[Claim]) -> None:
        """Take claims and begin each as soon as there is room, in order."""
        with self._lock:
            self._lanes.add(claims, clock.seconds())
            # To children that are free at once: the minder, who alone may start and end one,
            # may have to wait for its turn.
            self._hand_out_claims(bear=False)
            # Nor is it woken for one that can do without it: they would take turns at one lock.
            needed = len(self._lanes) > 0 or clock.seconds() + self._pause() < self._sleeps_until
        if needed:
            self._hearing.nudge()

    def probe(self, job_name: str, target: str, provider: Provider) -> None:
        """Import a job in a child without running it."""
        with self._lock:
            self._probes.append((job_name, target, provider))
        self._hearing.nudge()

    def withdraw(self) -> list[Claim]:
        """Give back the claims that have not begun."""
        with self._lock:
            for each in self._children:
                self._recall(each)
            return self._lanes.take_all()

    def interrupt(self, run_id: str, attempt: int, why: Ending) -> None:
        """Ask one running claim to end; its process group is killed after the grace."""
        with self._lock:
            for each in self._children:
                for number, claim in each.given.items():
                    if (claim.run_id, claim.attempt) == (run_id, attempt):
                        self._ask(each, number, why)
                        break
            if self._lanes.remove(run_id, attempt):
                self._tell(Outcome(run_id=run_id, attempt=attempt, ending=why))

    def end_writer(self, pid: int) -> bool:
        """End the run that keeps the store locked by this process, if it is one of ours."""
        try:
            group = os.getpgid(pid)
        except ProcessLookupError:
            return False
        with self._lock:
            child = next((each for each in self._children if each.pid == group), None)
            if child is None:
                return False
            number, *others = child.under_way() or [0]
            if others:  # each runs alone next, and then it shows
                child.unclear = True
                child.kill()
            elif number:
                child.locks = number
                self._ask(child, number, Ending.TIMEOUT)
        return True

    def announce_stop(self) -> None:
        """Let ``current_run().stopping`` be true in all running jobs."""
        with self._lock:
            for each in self._children:
                each.page.announce_stop()

    def kill(self) -> None:
        """Kill all children now, without asking; all claims come back as released."""
        with self._lock:
            for claim in self.withdraw():
                released = Outcome(
                    run_id=claim.run_id, attempt=claim.attempt, ending=Ending.RELEASED
                )
                self._tell(released)
            for each in self._children:
                each.asked = each.asked or Ending.RELEASED
                each.kill()
        self._hearing.nudge()

    def collect(self, timeout: float, also: int | None = None) -> Sequence[Report]:
        """Wait for reports, at most ``timeout`` seconds, and take them."""
        self._news.wait(timeout, also)
        if self._failure is not None:
            raise self._failure
        reports = []
        while self._reports:
            reports.append(self._reports.popleft())
        return reports

    def wake(self) -> None:
        """Let a waiting ``collect`` return; may be called in a signal handler."""
        self._news.tell()

    def close(self) -> None:
        """Kill all children and end the minder."""
        self.kill()
        self._open = False
        self._hearing.nudge()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        for each in list(self._children):
            self._bury(each)
        self._hearing.close()
        self._news.close()

    # the minder's thread

    def _mind(self) -> None:
        try:
            self._mind_children()
        except BaseException as error:  # raised to the worker, which must not go on without us
            self._failure = error
            self.wake()

    def _mind_children(self) -> None:
        while self._open or self._children:
            with self._lock:
                self._try_to_hand_out()
                self._hearing.wait_for_room(self._children)
                pause = self._pause()
                self._sleeps_until = clock.seconds() + pause
            heard = self._hearing.wait(pause)
            with self._lock:
                for take in heard:
                    take()
                now = clock.seconds()
                for each in list(self._children):
                    self._hearing.flow(each, now)
                    self._enforce(each, now)
                if now >= self._rouses_at and any(
                    each.busy or each.killed for each in self._children
                ):
                    self._rouses_at = now + _TICK  # of the end of one it must hear
                    self._nursery.rouse()

    def _try_to_hand_out(self) -> None:
        try:
            self._hand_out_probes()
            self._hand_out_claims()
            self.refused = False
        except (OSError, EOFError) as error:
            # No descriptors, no memory for a process: what waits goes on waiting, for one that
            # has nothing to do to make room.
            if not self.refused:
                emit("child.refused", error=error, way_out=_NO_CHILD)
            self.refused = True
            idle = next((each for each in self._children if not each.busy), None)
            if idle is not None:
                idle.kill()
                self._bury(idle)

    def _tell(self, report: Report) -> None:
        self._reports.append(report)
        self._news.tell()

    def _pause(self) -> float:
        """Seconds the minder may sleep before a limit or a grace runs out."""
        now = clock.seconds()
        pauses = [each.looks_again(now) for each in self._children]
        pauses += [each.says_again(now) for each in self._children]
        pauses += [self._batches.looks_again(each) for each in self._children]
        pauses += [0.0 for each in self._children if each.unsent and not each.awaits_room]
        return max(0.0, min([_TICK, *(pause for pause in pauses if pause is not None)]))

    def _hand_out_probes(self) -> None:
        """Give waiting probes to children that are free, or to new ones."""
        while self._open and self._probes:
            name, target, provider = self._probes[0]
            free = self._free_child(provider) or self._one_more(provider)
            if free is None:
                return
            self._probes.popleft()
            free.probing, free.handed = name, clock.seconds()
            asked = {"job_name": name, "target": target, "provider": wire.provider_to(provider)}
            free.send(wire.pack({"do": "probe", **asked, "max_error": self._settings.max_error}))

    def _hand_out_claims(self, *, bear: bool = True) -> None:
        """Give waiting claims to children that have room, or (``bear``) to new ones."""
        for lane in self._lanes.waiting():
            while self._open and self._lanes[lane]:
                many = lane != PROCESSES
                given = self._next_of_many(lane, bear) if many else self._next(bear)
                if given is None:
                    break
                to, batch = given
                to.give(batch, self._caps)
                self._lanes.handed(lane, clock.seconds())

    def _next(self, bear: bool) -> tuple[Child, list[Claim]] | None:
        """A child that is free, or soon, and what it is to execute one after the other."""
        waiting = self._lanes[PROCESSES]
        claim = waiting[0]
        assert claim.provider is not None
        fresh = claim.options.isolation == "fresh"
        to = self._free_child(claim.provider, fresh=fresh, bear=bear)
        to = to or self._batches.short_of_work(self._children, claim, clock.seconds())
        if to is None:
            return None
        return to, self._batches.next_for(to, waiting, len(self._children))

    def _next_of_many(self, lane: Lane, bear: bool) -> tuple[Child, list[Claim]] | None:
        """A child that many share and that has places, and those that take them."""
        engine, provider = lane
        assert provider is not None
        shared = (each for each in self._children if each.lane == lane and each.places)
        to = next(shared, None) or self._free_child(provider, engine, bear=bear)
        if to is None:
            return None
        waiting = self._lanes[lane]
        return to, [waiting.popleft() for _ in range(min(to.places, len(waiting)))]

    def _free_child(
        self,
        provider: Provider,
        engine: str = "processes",
        *,
        fresh: bool = False,
        bear: bool = True,
    ) -> Child | None:
        """A child that serves this provider by this engine and is free, or is born for it.

        A ``fresh`` one has executed nothing.
        """
        idle = [each for each in self._children if not each.busy and each.takes_more]
        for each in idle:
            alike = (each.provider, each.engine) == (provider, engine)
            if alike and not (fresh and each.runs):
                return each
        if not bear:
            return None
        if len(self._children) >= self._settings.concurrency:
            if not idle:
                return None
            idle[0].kill()
            self._bury(idle[0])
        return self._bear(provider, engine)

    def _one_more(self, provider: Provider) -> Child | None:
        """A child for a probe that would wait for one that many share: it may never be empty."""
        shared = any(each.busy and each.lane != PROCESSES for each in self._children)
        return self._bear(provider) if shared and not self._too_many else None

    @property
    def _too_many(self) -> bool:
        return len(self._children) > self._settings.concurrency

    def _bear(self, provider: Provider, engine: str = "processes") -> Child:
        """Start a child."""
        born = self._nursery.start(provider, engine)
        born.most_runs = self._settings.child_runs
        self._groups.watch(born.pid)
        self._children.append(born)
        self._hearing.listen(born)
        emit("child.started", pid=born.pid, dist=provider.dist, version=provider.version)
        return born

    # what follows from what children say

    def over(self, child: Child, claim: Claim, outcome: Outcome, *, changed: bool) -> None:
        """A run is over; ``changed``: its child must not be used again."""
        self._batches.took(claim, outcome)
        self._tell(outcome)
        if child.leave(claim, changed):
            # What the job left behind (threads, handlers, subprocesses) ends with its child.
            self._recall(child)
            child.kill()
        elif self._most_memory is not None and child.has_grown(self._most_memory):
            self._recall(child)
            child.spent = True

    def unbegun(self, child: Child, claim: Claim) -> None:
        """A child gives a claim back that had been called back."""
        child.runs -= 1
        self._lanes.put_back([claim])

    def introduced(self, child: Child, *, changed: bool) -> None:
        """A child has said what the job is that it was to import."""
        if changed or self._too_many:
            child.kill()

    def listened(self, child: Child) -> None:
        """All that a child has said was heard; one that had enough claims ends after the last."""
        if child.runs >= self._settings.child_runs:
            child.spent = True
        if child.spent and not child.given:
            child.kill()

    def _recall(self, each: Child) -> None:
        """Take back what a child has not begun; it is the next to be handed out."""
        self._lanes.put_back(each.recall())

    def _ask(self, each: Child, number: int, why: Ending) -> None:
        """Ask one run to end, if it has been taken up and is not over; the others go elsewhere."""
        self._recall(each)
        if number in each.given:
            each.ask(number, why, self._settings.kill_grace)
            self._hearing.nudge()

    def _enforce(self, each: Child, now: float) -> None:
        """Hold one child to its limits; take leave of it when it is dead."""
        if each.is_dead(now):
            self._bury(each)
            return
        each.send_on()
        if each.kill_at is not None and now >= each.kill_at:
            each.end_grace()
        if each.is_stuck(now):
            emit("child.stuck", pid=each.pid, dist=each.provider.dist, seconds=IMPORT_LIMIT)
            each.stop_import()
        if not each.given:
            return
        each.measure(now)
        if self._batches.is_late(each, now):
            self._recall(each)
        for number in each.over(now):
            self._ask(each, number, Ending.TIMEOUT)

    def _bury(self, each: Child) -> None:
        """Take leave of a dead or killed child; what it ran is reported."""
        if each not in self._children:
            return
        each.kill()  # subprocesses that the job left in the group
        self._hearing.last_words(each)
        ends = clock.seconds() + 5
        while each.process.exitcode is None and clock.seconds() < ends:
            self._nursery.rouse()  # it tells of the end; a signal to stop it may arrive late
            each.process.join(timeout=_TICK)
        self._look_for_orphans(each)
        self._children.remove(each)
        self._groups.forget(each.pid)
        emit("child.ended", pid=each.pid, exitcode=each.process.exitcode)
        outcomes, unbegun = each.left()
        self._lanes.put_back(unbegun)
        for outcome in outcomes:
            self._tell(outcome)
        if each.probing is not None:
            trouble = f"Importing it ended its process ({each.cause()})."
            self._tell(
                Hello(
                    job_name=each.probing,
                    provider=each.provider,
                    options=None if each.asked is Ending.RELEASED or each.orphan else CAREFUL,
                    trouble=trouble,
                    code="died",
                )
            )
        each.given.clear()
        each.probing = None
        self._hearing.forget(each)
        each.capture.close()
        each.page.close()

    def _look_for_orphans(self, dead: Child) -> None:
        """See whether a child died with the process that all come from, which one may have killed.

        Whose run did it can be said only where a single one was under way.
        """
        told = dead.asked is not None or dead.process.exitcode != _UNTOLD
        if told or dead.orphan or dead.parent is None:
            return
        ends = clock.seconds() + _DYING
        while not self._nursery.has_lost(dead.parent):
            if clock.seconds() > ends:
                return  # it is a code of the job's own
            time.sleep(_DYING / 20)
        orphans = [each for each in self._children if each.parent == dead.parent]
        many = sum(len(each.under_way()) for each in orphans) > 1
        for each in orphans:
            each.orphan, each.unblamed = True, many
