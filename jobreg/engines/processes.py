"""The engine of processes: warm children that can be killed, one run at a time in each."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import multiprocess
from attrs import define, evolve
from multiprocess import connection, reduction, spawn

from .. import clock
from ..catalogue import Hello
from ..events import emit
from ..lifecycle import Claim, Ending, ErrorReport, Outcome, Provider
from ..options import JobOptions
from ..settings import Settings
from . import child, wire
from .base import Groups, Note, Report
from .page import Page, make_file

METHOD = "forkserver" if sys.platform == "linux" else "spawn"
"""How children are started: from a small clean process where there is one, else afresh."""

IMPORT_LIMIT = 60.0
_TICK = 0.5
_quietly = threading.local()
_describe_parent = spawn.get_preparation_data


def _describe_parent_without_main(name: str) -> dict[str, Any]:
    """What a new child is told of its parent; for our children, nothing of its main module.

    A child would otherwise run the application's script again, and one without an
    ``if __name__ == "__main__"`` guard would start workers in its children.
    """
    told: dict[str, Any] = _describe_parent(name)
    if getattr(_quietly, "on", False):
        told.pop("init_main_from_name", None)
        told.pop("init_main_from_path", None)
    return told


class _Descriptor:
    """A file descriptor that travels to the child with the process object."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[Any]]:
        return child.detach, (reduction.DupFd(self._number),)


@define(eq=False)
class _Child:
    """One child as the supervisor sees it."""

    process: Any
    pipe: Any
    page: Page
    provider: Provider
    claim: Claim | None = None
    probing: str | None = None
    handed: float = 0.0
    asked: Ending | None = None
    kill_at: float | None = None
    killed: bool = False

    @property
    def busy(self) -> bool:
        return self.claim is not None or self.probing is not None


class ProcessEngine:
    """Runs each claim in a child process; see :class:`jobreg.engines.base.Engine`.

    A thread of its own minds the children (messages, limits, deaths), so that a slow database
    never delays a timeout. ``groups`` is told of every process group that must not outlive us.
    """

    def __init__(self, settings: Settings, groups: Groups, method: str | None = None) -> None:
        self._context = multiprocess.get_context(method or METHOD)
        self._settings = settings
        self._groups = groups
        self._environment = {"JOBREG_STORE": settings.store}
        self._children: list[_Child] = []
        self._waiting: deque[Claim] = deque()
        self._probes: deque[tuple[str, str, Provider]] = deque()
        self._reports: deque[Report] = deque()
        self._lock = threading.RLock()
        self._news = threading.Condition()
        self._nudge_out, self._nudge_in = connection.Pipe(duplex=False)
        self._handed_at = 0.0
        self._open = False
        self._woken = False
        self._thread = threading.Thread(target=self._mind, name="jobreg-minder", daemon=True)

    # the verbs

    def start(self) -> None:
        """Start the forkserver (with this package's child loaded, no plugin) and the minder."""
        spawn.get_preparation_data = _describe_parent_without_main
        if self._context.get_start_method() == "forkserver":
            self._context.set_forkserver_preload([child.__name__])
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
                self._kill(each)
        self._nudge()

    def collect(self, timeout: float) -> Sequence[Report]:
        """Wait for reports, at most ``timeout`` seconds, and take them."""
        with self._news:
            if not self._reports and not self._woken:
                self._news.wait(timeout)
            self._woken = False
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

    # the minder's thread

    def _mind(self) -> None:
        while self._open or self._children:
            with self._lock:
                self._hand_out()
                ends = {each.pipe: each for each in self._children if not each.pipe.closed}
                ends |= {each.process.sentinel: each for each in self._children}
                pause = self._pause()
            for ready in connection.wait([*ends, self._nudge_out], pause):
                if ready is self._nudge_out:
                    self._nudge_out.recv_bytes()
                elif ready is ends[ready].pipe:
                    self._read(ends[ready])
            with self._lock:
                for each in list(self._children):
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
        now, pause = clock.seconds(), _TICK
        for each in self._children:
            if each.kill_at is not None:
                pause = min(pause, each.kill_at - now)
            elif each.claim is not None and each.claim.options.timeout is not None:
                since = each.page.since
                # Not begun: look again soon, since the job begins without a message.
                ends = now + 0.02 if since is None else since + each.claim.options.timeout
                pause = min(pause, ends - now)
        return max(0.0, pause)

    def _hand_out(self) -> None:
        """Give waiting probes and claims to free children of their provider, or to new ones."""
        while self._open and self._probes:
            name, target, provider = self._probes[0]
            free = self._free_child(provider)
            if free is None:
                return
            self._probes.popleft()
            free.probing, free.handed = name, clock.seconds()
            self._send(free, {"do": "probe", "job_name": name, "target": target})
        while self._open and self._waiting:
            claim = self._waiting[0]
            assert claim.provider is not None
            free = self._free_child(claim.provider)
            if free is None:
                return
            self._waiting.popleft()
            free.claim, free.handed = claim, clock.seconds()
            self._handed_at = free.handed
            self._send(free, {"do": "run", "claim": wire.claim_to(claim)})

    def _free_child(self, provider: Provider) -> _Child | None:
        """A child that serves this provider and is free; it serves no other, ever."""
        idle = [each for each in self._children if not each.busy and not each.killed]
        for each in idle:
            if each.provider == provider:
                return each
        if len(self._children) >= self._settings.concurrency:
            if not idle:
                return None
            self._kill(idle[0])
            self._bury(idle[0])
        return self._spawn(provider)

    def _spawn(self, provider: Provider) -> _Child:
        ours, theirs = connection.Pipe()
        descriptor = make_file()
        process = self._context.Process(
            target=child.main,
            args=(theirs, _Descriptor(descriptor), self._environment),
            name="jobreg-child",
            daemon=True,
        )
        _quietly.on = True
        try:
            process.start()
        finally:
            _quietly.on = False
            theirs.close()
        self._groups.watch(process.pid)
        page = Page(descriptor)
        os.close(descriptor)
        born = _Child(process, ours, page, provider)
        self._children.append(born)
        emit("child.started", pid=process.pid, dist=provider.dist, version=provider.version)
        return born

    def _send(self, to: _Child, message: dict[str, Any]) -> None:
        caps = {"max_result": self._settings.max_result, "max_error": self._settings.max_error}
        with contextlib.suppress(OSError):  # it is dead: the sentinel will say so
            to.pipe.send_bytes(wire.pack(message | caps))

    def _read(self, each: _Child) -> None:
        """Take every message a child has sent."""
        try:
            while each.pipe.poll():
                self._heard(each, wire.unpack(each.pipe.recv_bytes()))
        except (EOFError, OSError, ValueError):
            # Closed, or a job wrote into our pipe. A child nobody can talk to is of no use.
            with self._lock:
                each.pipe.close()
                self._kill(each)

    def _heard(self, each: _Child, message: dict[str, Any]) -> None:
        match message["is"]:
            case "progress" if each.claim is not None:
                progress = wire.progress_from(message["progress"])
                assert progress is not None
                self._tell(Note(each.claim.run_id, each.claim.attempt, progress))
            case "hello":
                each.probing = None
                options = message["options"]
                options = JobOptions() if options is None else JobOptions.from_wire(options)
                self._tell(
                    Hello(
                        job_name=message["job_name"],
                        provider=each.provider,
                        options=options,
                        trouble=message["trouble"],
                    )
                )
            case "outcome":
                self._finished(each, message)

    def _finished(self, each: _Child, message: dict[str, Any]) -> None:
        outcome = wire.outcome_from(message["outcome"], each.provider)
        with self._lock:
            claim, each.claim = each.claim, None
            if claim is None or (claim.run_id, claim.attempt) != (outcome.run_id, outcome.attempt):
                return
            if message["changed"] or each.asked is not None:
                # What the job left behind (threads, handlers, subprocesses) ends with its child.
                self._kill(each)
        if outcome.ending is Ending.TIMEOUT:
            outcome = evolve(outcome, error=_over_time(claim, outcome.error))
        self._tell(evolve(outcome, pid=each.process.pid))

    def _ask(self, each: _Child, why: Ending) -> None:
        """Ask a child's job to end, and set the time at which it is no longer asked."""
        if each.asked is None and not each.killed:
            each.asked = why
            each.kill_at = clock.seconds() + self._settings.kill_grace
            each.page.ask(why)
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.process.pid, signal.SIGTERM)
            self._nudge()

    def _enforce(self, each: _Child) -> None:
        """Hold one child to its limits; take leave of it when it is dead."""
        now = clock.seconds()
        if each.process.exitcode is not None:
            self._bury(each)
            return
        if each.kill_at is not None and now >= each.kill_at:
            self._kill(each)
        if each.busy and not each.killed:
            since = each.page.since if each.claim is not None else None
            if since is None:
                if now - each.handed >= IMPORT_LIMIT:
                    each.asked = each.asked or Ending.TIMEOUT
                    self._kill(each)
            elif each.claim is not None and _over(each.claim, now - since):
                self._ask(each, Ending.TIMEOUT)

    def _kill(self, each: _Child) -> None:
        """Kill a child with every process of its group."""
        each.killed = True
        # The group is the child's own once it has called setsid; before that it has no other.
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(each.process.pid, signal.SIGKILL)

    def _bury(self, each: _Child) -> None:
        """Take leave of a dead or killed child; what it ran is reported."""
        if each not in self._children:
            return
        self._read_last(each)
        self._kill(each)  # subprocesses that the job left in the group
        each.process.join(timeout=5)
        self._children.remove(each)
        self._groups.forget(each.process.pid)
        emit("child.ended", pid=each.process.pid, exitcode=each.process.exitcode)
        if each.claim is not None:
            self._tell(_died(each, each.claim))
        if each.probing is not None:
            trouble = f"Importing it ended its process ({_cause(each)})."
            self._tell(
                Hello(
                    job_name=each.probing,
                    provider=each.provider,
                    options=JobOptions(),
                    trouble=trouble,
                )
            )
        each.claim = each.probing = None
        each.pipe.close()
        each.page.close()

    def _read_last(self, each: _Child) -> None:
        """A dead child may have sent its outcome before it died: then it finished."""
        with contextlib.suppress(EOFError, OSError, ValueError):
            while not each.pipe.closed and each.pipe.poll():
                self._heard(each, wire.unpack(each.pipe.recv_bytes()))


def _over(claim: Claim, seconds: float) -> bool:
    return claim.options.timeout is not None and seconds >= claim.options.timeout


def _cause(each: _Child) -> str:
    """Why a child died, as people say it."""
    if each.asked is Ending.TIMEOUT:
        return f"over the import limit of {IMPORT_LIMIT:g} s"
    code = each.process.exitcode
    if code is None or code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else "unknown"
    hint = ": killed, out of memory?" if -code == signal.SIGKILL else ""
    return f"signal {-code}, {name}{hint}"


def _over_time(claim: Claim, error: ErrorReport | None) -> ErrorReport:
    limit = claim.options.timeout
    text = (
        f"It ran longer than its limit of {limit:g} s." if limit else "Importing it took too long."
    )
    return ErrorReport("TimeoutError", text, error.traceback if error else "")


def _died(each: _Child, claim: Claim) -> Outcome:
    """The outcome of a claim whose child is dead: what was asked of it, else a crash."""
    since, now = each.page.since, clock.seconds()
    code = each.process.exitcode
    outcome = Outcome(
        run_id=claim.run_id,
        attempt=claim.attempt,
        ending=each.asked or Ending.CRASHED,
        pid=each.process.pid,
        provider=each.provider,
        started=since or each.handed,
        ended=now,
        exit_signal=-code if code is not None and code < 0 else None,
    )
    if each.asked is Ending.TIMEOUT:
        if since is None:
            text = f"Importing it took longer than {IMPORT_LIMIT:g} s."
            return evolve(outcome, error=ErrorReport("TimeoutError", text))
        return evolve(outcome, error=_over_time(claim, None))
    if each.asked is None:
        text = f"The process that ran it died ({_cause(each)})."
        return evolve(outcome, error=ErrorReport("ProcessDied", text))
    return outcome
