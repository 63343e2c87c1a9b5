"""The engine of processes: warm children that can be killed, of one provider and engine each."""

from __future__ import annotations

import contextlib
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any

from attrs import evolve
from multiprocess import connection

from .. import clock
from ..catalogue import CAREFUL, Hello
from ..events import emit
from ..lifecycle import PROCESSES, Claim, Ending, Lane, LogChunk, Outcome, Provider
from ..redaction import Redaction
from ..settings import Settings
from . import wire
from .base import Groups, Note, Output, Report, Room, over_time
from .batches import Batches
from .bell import Bell
from .children import Child
from .lanes import Lanes
from .nursery import Nursery

_TICK = 0.5
_LINE = 1000
_LAST_BREATH = 0.1
# A wake of the minder costs more than a short run does. Where so many runs ended since the last
# it waits a little, and then hears of many at once.
_MANY = 4
_BREATH = 0.002


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
        self._groups = groups
        self._children: list[Child] = []
        self._lanes = Lanes(settings.concurrency)
        self._batches = Batches(settings)
        self._heard = 0
        self._sleeps_until = 0.0
        self._probes: deque[tuple[str, str, Provider]] = deque()
        self._reports: deque[Report] = deque()
        self._lock = threading.RLock()
        self._news = Bell()
        self._nudge_out, self._nudge_in = connection.Pipe(duplex=False)
        self._ears = selectors.DefaultSelector()
        self._ears.register(self._nudge_out, selectors.EVENT_READ, self._nudge_out.recv_bytes)
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
            self._nudge()

    def probe(self, job_name: str, target: str, provider: Provider) -> None:
        """Import a job in a child without running it."""
        with self._lock:
            self._probes.append((job_name, target, provider))
        self._nudge()

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
        self._nudge()

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
        self._nudge()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        for each in list(self._children):
            self._bury(each)
        self._ears.close()
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
                self._wait_for_room()
                pause = self._pause()
                self._sleeps_until = clock.seconds() + pause
            if self._heard >= _MANY:
                time.sleep(min(_BREATH, pause))
            self._heard = 0
            ready = self._ears.select(pause)
            with self._lock:
                for key, _ in ready:
                    key.data()
                now = clock.seconds()
                for each in list(self._children):
                    self._listen_in(each, now)
                    self._enforce(each, now)

    def _try_to_hand_out(self) -> None:
        try:
            self._hand_out_probes()
            self._hand_out_claims()
            self.refused = False
        except (OSError, EOFError) as error:
            # No descriptors, no memory for a process: what waits goes on waiting.
            self.refused = True
            emit("child.refused", error=error)

    def _nudge(self) -> None:
        with contextlib.suppress(OSError):
            self._nudge_in.send_bytes(b"")

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
        self._listen(born)
        emit("child.started", pid=born.pid, dist=provider.dist, version=provider.version)
        return born

    def _listen(self, to: Child) -> None:
        """Let the minder wake at what a child says, prints and logs, and at its death."""
        self._ears.register(to.pipe, selectors.EVENT_READ, partial(self._read, to))
        ended = partial(setattr, to, "ended", True)
        self._ears.register(to.process.sentinel, selectors.EVENT_READ, ended)
        for end in to.capture.ours:
            self._ears.register(end, selectors.EVENT_READ, partial(self._overhear, to, end))

    def _wait_for_room(self) -> None:
        """Let the minder wake where a child reads that has not been sent everything."""
        for each in self._children:
            if bool(each.unsent) != each.awaits_room and not each.pipe.closed:
                each.awaits_room = not each.awaits_room
                events = selectors.EVENT_WRITE if each.awaits_room else 0
                read = partial(self._read, each)
                self._ears.modify(each.pipe, selectors.EVENT_READ | events, read)

    def _overhear(self, each: Child, end: int) -> None:
        """Take what is in one pipe of a child's output."""
        if not each.capture.read(end):
            self._ears.unregister(end)
            each.capture.drop(end)

    def _listen_in(self, each: Child, now: float) -> None:
        """Pass on what the runs that execute have printed until now."""
        for claim, chunks in each.hear(now):
            self._pass_on(each, claim, chunks)

    def _pass_on(self, each: Child, claim: Claim | None, chunks: tuple[LogChunk, ...]) -> None:
        """Report output of a run a child executes; what it says outside of one is an event."""
        if not chunks:
            return
        if claim is not None:
            hidden = Redaction.of(claim.params, claim.options.redact, self._settings.redact)
            self._tell(Output(claim.run_id, claim.attempt, hidden.chunks(chunks)))
            return
        for chunk in chunks:
            for line in chunk.text.split("\n"):
                emit("child.output", pid=each.pid, job_name=each.probing, text=line[:_LINE])

    def _read(self, each: Child) -> None:
        """Take every message a child has sent."""
        try:
            data = os.read(each.pipe.fileno(), wire.READ)
            if not data:
                raise EOFError
            first = next(iter(each.given), None)
            for line in each.lines.feed(data):
                self._understand(each, wire.unpack(line))
            if next(iter(each.given), None) != first:
                each.next()
            self._let_go(each)
        except BlockingIOError:
            return
        except (EOFError, OSError, ValueError, TypeError, LookupError) as error:
            # Closed, or a job wrote into our pipe. A child nobody can talk to is of no use.
            closed = isinstance(error, EOFError | OSError)
            each.unclear = not (closed and connection.wait([each.process.sentinel], _LAST_BREATH))
            self._hang_up(each)
            each.kill()

    def _hang_up(self, each: Child) -> None:
        """Close the pipe of messages."""
        if not each.pipe.closed:
            self._ears.unregister(each.pipe)
            each.pipe.close()

    def _understand(self, each: Child, message: list[Any]) -> None:
        match message[0]:
            case "done":
                _, number, _, _, _, marks = message
                claim = each.given[number]
                self._finished(each, number, wire.done_from(claim, message, each.pid), marks)
            case "outcome":
                _, number, told, changed, marks = message
                outcome = wire.outcome_from(each.given[number], told, each.pid)
                self._finished(each, number, outcome, marks, changed)
            case "progress":
                _, number, progress = message
                claim, said = each.given[number], wire.progress_from(progress)
                assert said is not None
                self._tell(Note(claim.run_id, claim.attempt, said))
            case "begun":
                _, number, nanoseconds, marks = message
                each.has_begun(number, nanoseconds / 1e9, marks)
            case "skipped":
                skipped = each.end(message[1])
                if skipped is not None:
                    each.runs -= 1
                    self._lanes.put_back([skipped])
            case "hello":
                _, hello, changed = message
                self._pass_on(each, None, each.capture.finish())
                each.probing = None
                if changed or self._too_many:
                    each.kill()
                # Which provider it serves is for us to say, not for a child.
                self._tell(evolve(Hello.from_wire(hello), provider=each.provider))
            case _:
                raise ValueError(f"a child says {message[0]!r}")

    def _finished(
        self,
        each: Child,
        number: int,
        outcome: Outcome,
        marks: list[int] | None,
        changed: bool = False,
    ) -> None:
        self._heard += 1
        claim = each.given[number]
        self._pass_on(each, claim, each.last_words(number, marks))
        each.end(number)
        if outcome.ending is Ending.TIMEOUT:
            outcome = evolve(outcome, error=over_time(claim, outcome.error))
        self._batches.took(claim, outcome)
        self._tell(outcome)
        if each.leave(claim, changed):
            # What the job left behind (threads, handlers, subprocesses) ends with its child.
            self._recall(each)
            each.kill()
        elif each.has_grown(self._settings.child_memory):
            self._recall(each)
            each.spent = True

    def _let_go(self, each: Child) -> None:
        """A child that had enough claims ends after the last."""
        if each.runs >= self._settings.child_runs:
            each.spent = True
        if each.spent and not each.given:
            each.kill()

    def _recall(self, each: Child) -> None:
        """Take back what a child has not begun; it is the next to be handed out."""
        self._lanes.put_back(each.recall())

    def _ask(self, each: Child, number: int, why: Ending) -> None:
        """Ask one run to end, if it has been taken up and is not over; the others go elsewhere."""
        self._recall(each)
        if number in each.given:
            each.ask(number, why, self._settings.kill_grace)
            self._nudge()

    def _enforce(self, each: Child, now: float) -> None:
        """Hold one child to its limits; take leave of it when it is dead."""
        if each.is_dead(now):
            self._bury(each)
            return
        each.send_on()
        if each.kill_at is not None and now >= each.kill_at:
            each.end_grace()
        if each.is_stuck(now):
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
        self._read_last(each)
        for claim, chunks in each.silence():
            self._pass_on(each, claim, chunks)
        each.process.join(timeout=5)
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
                    options=None if each.asked is Ending.RELEASED else CAREFUL,
                    trouble=trouble,
                    code="died",
                )
            )
        each.given.clear()
        each.probing = None
        self._hang_up(each)
        for end in (each.process.sentinel, *each.capture.ours):
            self._ears.unregister(end)
        each.capture.close()
        each.page.close()

    def _read_last(self, each: Child) -> None:
        """A dead child may have sent its outcome before it died: then it finished."""
        while not each.pipe.closed and each.pipe.poll():
            self._read(each)
