"""One child as the supervisor sees it: how it is started, asked, killed, and what it died of."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import multiprocess
from attrs import define, evolve, field
from multiprocess import connection, forkserver, reduction, spawn

from .. import clock
from ..lifecycle import Claim, Ending, ErrorReport, Outcome, Provider
from ..redaction import NOTHING, Redaction
from . import child, memory, wire
from .base import over_time
from .capture import Capture
from .page import Page, make_file

METHOD = "forkserver" if sys.platform == "linux" else "spawn"
"""How children are started: from a small clean process where there is one, else afresh."""

IMPORT_LIMIT = 60.0
"""Seconds a job's module may take to import."""

_LOOK_EVERY = 0.25
_PRELOAD = "jobreg.engines.preload"
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


def _forget_forkserver() -> None:
    """In a copy of this process: the forkserver is its parent's, and must see its parent end."""
    server = forkserver._forkserver
    if server._forkserver_alive_fd is not None:
        os.close(server._forkserver_alive_fd)
    type(server).__init__(server)


os.register_at_fork(after_in_child=_forget_forkserver)


class _Descriptor:
    """A file descriptor that travels to the child with the process object."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[Any]]:
        return child.detach, (reduction.DupFd(self._number),)


class Nursery:
    """Starts children by one method; from a forkserver that has loaded our child and no plugin."""

    def __init__(self, environment: dict[str, str], method: str | None = None) -> None:
        self._context = multiprocess.get_context(method or METHOD)
        self._environment = environment
        spawn.get_preparation_data = _describe_parent_without_main
        if self._context.get_start_method() == "forkserver":
            self._context.set_forkserver_preload([_PRELOAD])

    def start(self, provider: Provider) -> Child:
        """Start a child that will serve this provider."""
        ours, theirs = connection.Pipe()
        descriptor = make_file()
        page = Page(descriptor)
        capture = Capture(page)
        process = self._context.Process(
            target=child.main,
            args=(
                theirs,
                _Descriptor(descriptor),
                self._environment,
                [_Descriptor(end) for end in capture.theirs],
            ),
            name="jobreg-child",
            daemon=True,
        )
        _quietly.on = True
        try:
            process.start()
        except BaseException:
            capture.close()
            page.close()
            raise
        finally:
            _quietly.on = False
            theirs.close()
            capture.hand_over()
            os.close(descriptor)
        return Child(process, ours, page, capture, provider)


@define(eq=False)
class Child:
    """One child process and what it was given: claims to execute, or a job to import."""

    process: Any
    pipe: Any
    page: Page
    capture: Capture
    provider: Provider
    given: dict[int, Claim] = field(factory=dict)
    """The claims whose end was not heard, by number, in the order of their execution."""
    lines: wire.Lines = field(factory=wire.Lines)
    last: int = 0
    """The number of the claim given last."""
    redaction: Redaction = NOTHING
    probing: str | None = None
    handed: float = 0.0
    asked: Ending | None = None
    kill_at: float | None = None
    killed: bool = False
    spent: bool = False
    """Is it to be given nothing more?"""
    ended: bool = False
    looked: float = 0.0
    runs: int = 0
    """How many it was given."""
    peak: int | None = None
    """The most it was seen to have in memory, in bytes."""
    measured: float = 0.0

    @property
    def pid(self) -> int:
        """Its process id, which is also the number of its process group."""
        pid: int = self.process.pid
        return pid

    @property
    def claim(self) -> Claim | None:
        """The claim that it executes, or takes up next."""
        return next(iter(self.given.values()), None)

    @property
    def busy(self) -> bool:
        """Was it given something whose end has not been heard?"""
        return bool(self.given) or self.probing is not None

    @property
    def takes_more(self) -> bool:
        """May it be given anything more?"""
        return not (self.killed or self.spent or self.asked is not None)

    def give(self, claims: Sequence[Claim], told: dict[str, Any]) -> None:
        """Hand it claims, to be executed in this order after those it has."""
        idle = not self.given
        numbered = list(enumerate(claims, self.last + 1))
        self.given.update(numbered)
        self.last += len(claims)
        self.runs += len(claims)
        if idle:
            self.next(told["max_log"], told["redact"])
        self.send(wire.run_to(numbered, told))

    def next(self, most_log: int, pattern: str | None) -> None:
        """The first of the given claims begins, from now on; of its output so much is kept."""
        claim = self.claim
        if claim is not None:
            self.handed = clock.seconds()
            self.redaction = Redaction.of(claim.params, claim.options.redact, pattern)
            self.capture.begin(most_log)

    def end(self, number: int) -> Claim | None:
        """Its claim of this number is over, or was not begun; None where it holds none such."""
        return self.given.pop(number, None)

    def recall(self) -> list[Claim]:
        """Take back the claims that it has not taken up, and never will."""
        if not self.given:
            return []
        taken = self.page.recall(self.last)
        return [self.given.pop(number) for number in list(self.given) if number > taken]

    def executes(self) -> bool:
        """Has it taken up the first of its claims, and so all that it printed is of that run?"""
        return self.page.taken == next(iter(self.given), None)

    def left(self) -> tuple[Claim | None, list[Claim]]:
        """Of a dead child: the claim that is to blame for its end, if any, and the others."""
        claims = list(self.given.values())
        # One that has not begun is charged only where none could be begun.
        if claims and (self.executes() or self.page.taken == 0):
            return claims[0], claims[1:]
        return None, claims

    def send(self, line: bytes) -> None:
        """Hand it a message. A dead one hears nothing; its sentinel tells."""
        rest = memoryview(line)
        with contextlib.suppress(OSError):
            while rest:
                rest = rest[os.write(self.pipe.fileno(), rest) :]

    def ask(self, why: Ending, grace: float) -> None:
        """Ask its job to end, and set the time at which it is no longer asked."""
        if self.asked is None and not self.killed:
            self.asked = why
            self.kill_at = clock.seconds() + grace
            self.page.ask(self.page.taken, why)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill it with every process of its group."""
        self.killed = True
        # The group is the child's own once it has called setsid; before that it has no other.
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(self.pid, signal.SIGKILL)

    def is_dead(self, now: float) -> bool:
        """Has its process ended? Asked when the sentinel has fired (``ended``), else rarely.

        A spawned child's sentinel is a pipe, which a process it left behind may hold open.
        """
        if not self.ended and now - self.looked < _LOOK_EVERY:
            return False
        self.looked = now
        return self.process.exitcode is not None

    def over_since(self, now: float) -> Ending | None:
        """Is it over a limit? Its job's time (ask it), or, still importing, ours (kill it)."""
        if not self.busy or self.killed:
            return None
        claim = self.claim
        if claim is None or self.page.taken not in self.given or not self.page.begun:
            return Ending.CRASHED if now - self.handed >= IMPORT_LIMIT else None
        since, limit = self.page.since, claim.options.timeout
        over = limit is not None and since is not None and now - since >= limit
        return Ending.TIMEOUT if over else None

    def looks_again(self, now: float) -> float | None:
        """Seconds until one of its limits or its grace runs out; None when none does."""
        if self.kill_at is not None:
            return self.kill_at - now
        claim = self.claim
        limit = claim.options.timeout if claim is not None else None
        if limit is None:
            return None
        since = self.page.since if self.page.taken in self.given else None
        # Not begun: look again soon, since the job begins without a message.
        return 0.02 if since is None else since + limit - now

    def measure(self, now: float) -> None:
        """Look from time to time how much it has had in memory: afterwards nobody can tell."""
        if now - self.measured >= _LOOK_EVERY:
            self.measured = now
            self.peak = memory.peak(self.pid) or self.peak

    def has_grown(self, most_memory: int | None) -> bool:
        """Has it so much in memory that another should take its place?"""
        return most_memory is not None and (memory.resident(self.pid) or 0) > most_memory

    def cause(self) -> str:
        """Why it died, as people say it."""
        if self.asked is Ending.TIMEOUT:
            return f"over the import limit of {IMPORT_LIMIT:g} s"
        code = self.process.exitcode
        if code is None or code >= 0:
            return f"exit code {code}"
        name = signal.Signals(-code).name if -code in signal.valid_signals() else "unknown"
        hint = ": killed, out of memory?" if -code == signal.SIGKILL else ""
        return f"signal {-code}, {name}{hint}"

    def last_outcome(self, claim: Claim) -> Outcome:
        """What became of the claim a dead child held: what was asked of it, else a crash."""
        since, code = self.page.since, self.process.exitcode
        outcome = Outcome(
            run_id=claim.run_id,
            attempt=claim.attempt,
            ending=self.asked or Ending.CRASHED,
            pid=self.pid,
            provider=self.provider,
            started=since or self.handed,
            ended=clock.seconds(),
            exit_signal=-code if code is not None and code < 0 else None,
            peak_memory=self.peak if self.asked is None else None,
        )
        if self.asked is Ending.TIMEOUT and not self.page.begun:
            text = f"Importing it took longer than {IMPORT_LIMIT:g} s."
            return evolve(outcome, error=ErrorReport("TimeoutError", text))
        if self.asked is Ending.TIMEOUT:
            return evolve(outcome, error=over_time(claim))
        if self.asked is None:
            had = f"; it had {self.peak / 2**20:,.0f} MiB at most" if self.peak else ""
            text = f"The process that ran it died ({self.cause()}{had})."
            return evolve(outcome, error=ErrorReport("ProcessDied", text))
        return outcome
