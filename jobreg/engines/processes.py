"""The engine of processes: warm children that can be killed, one run at a time in each."""

from __future__ import annotations

import contextlib
import selectors
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from attrs import evolve
from multiprocess import connection

from .. import clock
from ..catalogue import CAREFUL, Hello
from ..events import emit
from ..lifecycle import Claim, Ending, LogChunk, Outcome, Provider
from ..redaction import Redaction
from ..settings import Settings
from . import wire
from .base import Groups, Note, Output, Report, over_time
from .children import Child, Nursery

_TICK = 0.5
_LINE = 1000


class ProcessEngine:
    """Runs each claim in a child process; see :class:`jobreg.engines.base.Engine`.

    A thread of its own minds the children (messages, limits, deaths), so that a slow database
    never delays a timeout. ``groups`` is told of every process group that must not outlive us.
    """

    def __init__(self, settings: Settings, groups: Groups, method: str | None = None) -> None:
        self._nursery = Nursery({"JOBREG_STORE": settings.store}, method)
        self._settings = settings
        self._groups = groups
        self._children: list[Child] = []
        self._waiting: deque[Claim] = deque()
        self._probes: deque[tuple[str, str, Provider]] = deque()
        self._reports: deque[Report] = deque()
        self._lock = threading.RLock()
        self._news = threading.Condition()
        self._nudge_out, self._nudge_in = connection.Pipe(duplex=False)
        self._ears = selectors.DefaultSelector()
        self._ears.register(self._nudge_out, selectors.EVENT_READ, self._nudge_out.recv_bytes)
        self._handed_at = 0.0
        self._failure: BaseException | None = None
        self._open = False
        self._woken = False
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
            taken = sum(each.busy for each in self._children)
            return self._settings.concurrency - taken - len(self._waiting)

    def backlog(self) -> int:
        """Say how many claims were taken and have not begun."""
        return len(self._waiting)

    def stalled(self) -> float:
        """Say for how many seconds claims have waited and none could begin."""
        with self._lock:
            return clock.seconds() - self._handed_at if self._waiting else 0.0

    def execute(self, claims: Iterable[Claim]) -> None:
        """Take claims and begin each as soon as there is room, in order."""
        with self._lock:
            if not self._waiting:
                self._handed_at = clock.seconds()
            self._waiting.extend(claims)
        self._nudge()

    def probe(self, job_name: str, target: str, provider: Provider) -> None:
        """Import a job in a child without running it."""
        with self._lock:
            self._probes.append((job_name, target, provider))
        self._nudge()

    def withdraw(self) -> list[Claim]:
        """Give back the claims that have not begun."""
        with self._lock:
            claims = list(self._waiting)
            self._waiting.clear()
        return claims

    def interrupt(self, run_id: str, attempt: int, why: Ending) -> None:
        """Ask one running claim to end; its process group is killed after the grace."""
        with self._lock:
            for each in self._children:
                claim = each.claim
                if claim is not None and (claim.run_id, claim.attempt) == (run_id, attempt):
                    self._ask(each, why)
                    return
            for claim in self._waiting:
                if (claim.run_id, claim.attempt) == (run_id, attempt):
                    self._waiting.remove(claim)
                    self._tell(Outcome(run_id=run_id, attempt=attempt, ending=why))
                    return

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
            for each in list(self._children):
                each.asked = each.asked or Ending.RELEASED
                each.kill()
        self._nudge()

    def collect(self, timeout: float) -> Sequence[Report]:
        """Wait for reports, at most ``timeout`` seconds, and take them."""
        with self._news:
            if not self._reports and not self._woken:
                self._news.wait(timeout)
            self._woken = False
            if self._failure is not None:
                raise self._failure
            reports = list(self._reports)
            self._reports.clear()
        return reports

    def wake(self) -> None:
        """Let a waiting ``collect`` return; safe in a signal handler's thread."""
        with self._news:
            self._woken = True
            self._news.notify()

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
                try:
                    self._hand_out()
                    self.refused = False
                except (OSError, EOFError) as error:
                    # No descriptors, no memory for a process: what waits goes on waiting.
                    self.refused = True
                    emit("child.refused", error=error)
                pause = self._pause()
            for ready, _ in self._ears.select(pause):
                ready.data()
            with self._lock:
                now = clock.seconds()
                for each in list(self._children):
                    if each.capture.log.wait(now) == 0.0:
                        self._pass_on(each, each.capture.log.take(now))
                    self._enforce(each)

    def _nudge(self) -> None:
        with contextlib.suppress(OSError):
            self._nudge_in.send_bytes(b"")

    def _tell(self, report: Report) -> None:
        with self._news:
            self._reports.append(report)
            self._news.notify()

    def _pause(self) -> float:
        """Seconds the minder may sleep before a limit or a grace runs out."""
        now = clock.seconds()
        pauses = [each.looks_again(now) for each in self._children]
        pauses += [each.capture.log.wait(now) for each in self._children]
        return max(0.0, min([_TICK, *(pause for pause in pauses if pause is not None)]))

    def _hand_out(self) -> None:
        """Give waiting probes and claims to free children of their provider, or to new ones."""
        while self._open and self._probes:
            name, target, provider = self._probes[0]
            free = self._free_child(provider)
            if free is None:
                return
            self._probes.popleft()
            free.probing, free.handed = name, clock.seconds()
            asked = {"job_name": name, "target": target, "provider": wire.provider_to(provider)}
            self._send(free, {"do": "probe", **asked})
        while self._open and self._waiting:
            claim = self._waiting[0]
            assert claim.provider is not None
            free = self._free_child(claim.provider, claim.options.isolation == "fresh")
            if free is None:
                return
            self._waiting.popleft()
            redaction = Redaction.of(claim.params, claim.options.redact, self._settings.redact)
            free.give(claim, self._settings.max_log, redaction)
            self._handed_at = free.handed
            self._send(free, {"do": "run", "claim": wire.claim_to(claim)})

    def _free_child(self, provider: Provider, fresh: bool = False) -> Child | None:
        """A child that serves this provider and is free; it serves no other, ever.

        A ``fresh`` one has executed nothing.
        """
        idle = [each for each in self._children if not each.busy and not each.killed]
        for each in idle:
            if each.provider == provider and not (fresh and each.runs):
                return each
        if len(self._children) >= self._settings.concurrency:
            if not idle:
                return None
            idle[0].kill()
            self._bury(idle[0])
        born = self._nursery.start(provider)
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

    def _overhear(self, each: Child, end: int) -> None:
        """Take what is in one pipe of a child's output."""
        if not each.capture.read(end):
            self._ears.unregister(end)
            each.capture.drop(end)

    def _pass_on(self, each: Child, chunks: tuple[LogChunk, ...]) -> None:
        """Report output of the run a child executes; what it says outside of one is an event."""
        if chunks and each.claim is not None:
            said = each.redaction.chunks(chunks)
            self._tell(Output(each.claim.run_id, each.claim.attempt, said))
            return
        for chunk in chunks:
            for line in chunk.text.split("\n"):
                emit("child.output", pid=each.pid, job_name=each.probing, text=line[:_LINE])

    def _send(self, to: Child, message: dict[str, Any]) -> None:
        told = ("max_result", "max_error", "redact")
        to.send(message | {name: getattr(self._settings, name) for name in told})

    def _read(self, each: Child) -> None:
        """Take every message a child has sent."""
        try:
            while each.pipe.poll():
                self._heard(each, wire.unpack(each.pipe.recv_bytes()))
        except (EOFError, OSError, ValueError):
            # Closed, or a job wrote into our pipe. A child nobody can talk to is of no use.
            with self._lock:
                self._hang_up(each)
                each.kill()

    def _hang_up(self, each: Child) -> None:
        """Close the pipe of messages."""
        if not each.pipe.closed:
            self._ears.unregister(each.pipe)
            each.pipe.close()

    def _heard(self, each: Child, message: dict[str, Any]) -> None:
        match message["is"]:
            case "progress" if each.claim is not None:
                progress = wire.progress_from(message["progress"])
                assert progress is not None
                self._tell(Note(each.claim.run_id, each.claim.attempt, progress))
            case "hello":
                self._pass_on(each, each.capture.finish())
                each.probing = None
                if message["changed"]:
                    each.kill()
                # Which provider it serves is for us to say, not for a child.
                self._tell(evolve(Hello.from_wire(message["hello"]), provider=each.provider))
            case "outcome":
                self._finished(each, message)

    def _finished(self, each: Child, message: dict[str, Any]) -> None:
        outcome = wire.outcome_from(message["outcome"], each.provider)
        with self._lock:
            self._pass_on(each, each.capture.finish())
            claim, each.claim = each.claim, None
            if claim is None or (claim.run_id, claim.attempt) != (outcome.run_id, outcome.attempt):
                return
            fresh = claim.options.isolation == "fresh"
            if message["changed"] or each.asked is not None or fresh or self._is_used_up(each):
                # What the job left behind (threads, handlers, subprocesses) ends with its child.
                each.kill()
        if outcome.ending is Ending.TIMEOUT:
            outcome = evolve(outcome, error=over_time(claim, outcome.error))
        self._tell(evolve(outcome, pid=each.pid))

    def _is_used_up(self, each: Child) -> bool:
        return each.is_used_up(self._settings.child_runs, self._settings.child_memory)

    def _ask(self, each: Child, why: Ending) -> None:
        each.ask(why, self._settings.kill_grace)
        self._nudge()

    def _enforce(self, each: Child) -> None:
        """Hold one child to its limits; take leave of it when it is dead."""
        now = clock.seconds()
        if each.is_dead(now):
            self._bury(each)
            return
        if each.kill_at is not None and now >= each.kill_at:
            each.kill()
        if each.claim is not None:
            each.measure(now)
        over = each.over_since(now)
        if over is Ending.TIMEOUT:
            self._ask(each, Ending.TIMEOUT)
        elif over is not None:
            each.asked = each.asked or Ending.TIMEOUT
            each.kill()

    def _bury(self, each: Child) -> None:
        """Take leave of a dead or killed child; what it ran is reported."""
        if each not in self._children:
            return
        each.kill()  # subprocesses that the job left in the group
        self._read_last(each)
        self._pass_on(each, each.capture.finish())
        each.process.join(timeout=5)
        self._children.remove(each)
        self._groups.forget(each.pid)
        emit("child.ended", pid=each.pid, exitcode=each.process.exitcode)
        if each.claim is not None:
            self._tell(each.last_outcome(each.claim))
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
        each.claim = each.probing = None
        self._hang_up(each)
        for end in (each.process.sentinel, *each.capture.ours):
            self._ears.unregister(end)
        each.capture.close()
        each.page.close()

    def _read_last(self, each: Child) -> None:
        """A dead child may have sent its outcome before it died: then it finished."""
        with contextlib.suppress(EOFError, OSError, ValueError):
            while not each.pipe.closed and each.pipe.poll():
                self._heard(each, wire.unpack(each.pipe.recv_bytes()))
