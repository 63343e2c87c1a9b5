"""One child as the supervisor sees it: how it is asked and killed, and what it died of."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from typing import Any

from attrs import define, field

from .. import clock
from ..lifecycle import PROCESSES, Claim, Ending, ErrorReport, Lane, LogChunk, Outcome, Provider
from . import memory, wire
from .base import over_time
from .capture import Capture
from .page import Page

IMPORT_LIMIT = 60.0
"""Seconds a job's module may take to import."""

_LOOK_EVERY = 0.25

Said = tuple[Claim | None, tuple[LogChunk, ...]]
"""What a run printed and logged, or, without one, what the child did outside of any."""


@define(eq=False)
class Child:
    """One child process and what it was given: claims to execute, or a job to import."""

    process: Any
    pipe: Any
    """Of what it says; it hears what is written into its ``inbox``."""
    inbox: Any
    page: Page
    capture: Capture
    provider: Provider
    engine: str = "processes"
    given: dict[int, Claim] = field(factory=dict)
    """The claims whose end was not heard, by number, in the order of their execution."""
    lines: wire.Lines = field(factory=wire.Lines)
    told: wire.Told = field(factory=wire.Told)
    last: int = 0
    """The number of the claim given last."""
    most_log: int = 0
    most_runs: int = 0
    """How many it is given at most."""
    probing: str | None = None
    handed: float = 0.0
    asked: Ending | None = None
    kill_at: float | None = None
    killed: bool = False
    unclear: bool = False
    """Did somebody close or spoil the pipe of messages? Who it was, nobody can say."""
    spent: bool = False
    """Is it to be given nothing more?"""
    unsent: bytes = b""
    """What did not fit into the pipe: it reads nothing while a job executes."""
    awaits_room: bool = False
    """Does the minder wake when something fits again?"""
    locks: int = 0
    """The number of the run that is to end because it keeps the store locked."""
    ended: bool = False
    looked: float = 0.0
    runs: int = 0
    """How many it was given."""
    parent: int | None = None
    """The process it came from, and with which it dies; None: the supervisor itself."""
    orphan: bool = False
    """Did it die with that?"""
    unblamed: bool = False
    """Did others die with it, so that nobody can say whose run did it?"""
    peak: int | None = None
    """The most it was seen to have in memory, in bytes."""
    measured: float = 0.0

    def __attrs_post_init__(self) -> None:
        for each in (self.pipe, self.inbox):
            os.set_blocking(each.fileno(), False)

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

    @property
    def lane(self) -> Lane:
        """Whose claims it may be given."""
        return PROCESSES

    @property
    def places(self) -> int:
        """How many more runs could begin in it beside those that it has."""
        return 0

    def give(self, claims: Sequence[Claim], caps: dict[str, Any]) -> None:
        """Hand it claims, to be executed in this order after those it has."""
        idle, self.most_log = not self.given, caps["max_log"]
        numbered = list(enumerate(claims, self.last + 1))
        self.given.update(numbered)
        self.last += len(claims)
        self.runs += len(claims)
        if idle:
            self.next()
        self.send(wire.run_to(numbered, caps, self.told))

    def next(self) -> None:
        """The first of the given claims begins, from now on; of its output so much is kept."""
        if self.given:
            self.handed = clock.seconds()
            self.capture.begin(self.most_log)

    def has_begun(self, number: int, since: float, marks: Sequence[int] | None) -> None:
        """It says that a run begins.

        Raises:
            ValueError: it is none that would; the page tells.
        """
        raise ValueError("this child needs no word for that")

    def hear(self, now: float) -> list[Said]:
        """What is to be passed on by now."""
        if self.executes() or not self.given:
            self.capture.flow()
        due = self.capture.log.wait(now) == 0.0
        return [(self.claim, self.capture.log.take(now))] if due else []

    def last_words(self, number: int, marks: Sequence[int] | None) -> tuple[LogChunk, ...]:
        """What a run that is over has said since; what comes now is the next one's."""
        if marks is None and not self.capture.holds:
            return ()
        chunks = self.capture.finish(marks)
        if len(self.given) > 1:
            self.capture.begin(self.most_log)
        return chunks

    def silence(self) -> list[Said]:
        """All that is left of what a dead one has said."""
        return [(self.claim, self.capture.finish())]

    def says_again(self, now: float) -> float | None:
        """Seconds until there is something to be passed on."""
        return self.capture.log.wait(now)

    def end(self, number: int) -> Claim | None:
        """Its claim of this number is over, or was not begun; None where it holds none such."""
        return self.given.pop(number, None)

    def recall(self) -> list[Claim]:
        """Take back the claims that it has not taken up, and never will."""
        if not self.given:
            return []
        taken = self.page.recall(self.last)
        claims = [self.given.pop(number) for number in list(self.given) if number > taken]
        self.runs -= len(claims)
        return claims

    def executes(self) -> bool:
        """Has it taken up the first of its claims, and so all that it printed is of that run?"""
        return self.page.taken == next(iter(self.given), None)

    def under_way(self) -> list[int]:
        """Its runs that it has taken up and that are not over, by number."""
        return [self.page.taken] if self.executes() else []

    def leave(self, claim: Claim, changed: bool) -> bool:
        """A run is over: must the child end, with all that the job has left behind?"""
        return changed or self.asked is not None or claim.options.isolation == "fresh"

    def left(self) -> tuple[list[Outcome], list[Claim]]:
        """Of a dead child: what became of the claim that it executed, and those not begun."""
        claims = list(self.given.values())
        # One that has not begun is charged only where none could be begun.
        if claims and (self.executes() or (self.page.taken == 0 and not self.orphan)):
            return [self._last_outcome(claims[0])], claims[1:]
        return [], claims

    def send(self, line: bytes) -> None:
        """Hand it a message, what does not fit into the pipe later: nobody waits for a job."""
        self.unsent += line
        self.send_on()

    def send_on(self) -> None:
        """Hand it as much as now fits of what it was not sent yet."""
        try:
            while self.unsent:
                self.unsent = self.unsent[os.write(self.inbox.fileno(), self.unsent) :]
        except BlockingIOError:
            pass
        except OSError:  # a dead one hears nothing; its sentinel tells
            self.unsent = b""

    def ask(self, number: int, why: Ending, grace: float) -> None:
        """Ask one run to end, if it executes, and set the time at which it is no longer asked."""
        if self.page.taken == number and self.asked is None and not self.killed:
            self.asked = why
            self.kill_at = clock.seconds() + grace
            self.signal(number, why)

    def signal(self, number: int, why: Ending) -> None:
        """Interrupt the run whose code is on the stack, if it is this one."""
        self.page.ask(number, why)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def end_grace(self) -> None:
        """It was asked for long enough."""
        self.kill()

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

    def over(self, now: float) -> list[int]:
        """The runs that are over their time, by number."""
        claim, since = self.claim, self.page.since
        if claim is None or since is None or not self.executes():
            return []
        limit = claim.options.timeout
        return [self.page.taken] if limit is not None and now - since >= limit else []

    def is_stuck(self, now: float) -> bool:
        """Has it imported a job for too long?"""
        executes = self.page.taken in self.given and self.page.begun
        if not self.busy or self.killed or executes:
            return False
        return now - self.handed >= IMPORT_LIMIT

    def stop_import(self) -> None:
        """End it: an import cannot be asked to."""
        self.asked = self.asked or Ending.TIMEOUT
        self.kill()

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

    def has_grown(self, most_memory: int) -> bool:
        """Has it so much in memory that another should take its place?"""
        return (memory.resident(self.pid) or 0) > most_memory

    def cause(self) -> str:
        """Why it died, as people say it."""
        if self.asked is Ending.TIMEOUT:
            return f"over the import limit of {IMPORT_LIMIT:g} s"
        if self.orphan:
            return "with the process that children come from"
        code = self.process.exitcode
        if code is None or code >= 0:
            return f"exit code {code}"
        name = signal.Signals(-code).name if -code in signal.valid_signals() else "unknown"
        hint = ": killed, out of memory?" if -code == signal.SIGKILL else ""
        return f"signal {-code}, {name}{hint}"

    def _last_outcome(self, claim: Claim) -> Outcome:
        """What became of the claim a dead child held: what was asked of it, else a crash."""
        ending, error = self.asked or (Ending.LOST if self.unblamed else Ending.CRASHED), None
        if ending is Ending.TIMEOUT:
            locks = self.locks > 0
            error = over_time(claim, locks=locks) if self.page.begun else import_took_too_long()
        elif ending in (Ending.CRASHED, Ending.LOST):
            error = self.death("that ran it")
        return self.outcome(claim, ending, self.page.since or self.handed, error)

    def outcome(
        self, claim: Claim, ending: Ending, started: float | None, error: ErrorReport | None
    ) -> Outcome:
        """How one of its claims ended, now that it is dead."""
        code = self.process.exitcode
        died = ending in (Ending.CRASHED, Ending.LOST)
        return Outcome(
            run_id=claim.run_id,
            attempt=claim.attempt,
            ending=ending,
            error=error,
            pid=self.pid,
            provider=self.provider,
            started=started,
            ended=clock.seconds(),
            exit_signal=-code if code is not None and code < 0 else None,
            peak_memory=self.peak if died else None,
        )

    def death(self, whose: str) -> ErrorReport:
        """What it died of, as the error of a run."""
        had = f"; it had {self.peak / 2**20:,.0f} MiB at most" if self.peak else ""
        return ErrorReport("ProcessDied", f"The process {whose} died ({self.cause()}{had}).")


def import_took_too_long() -> ErrorReport:
    """The error of a run whose job could not be imported in time."""
    return ErrorReport("TimeoutError", f"Importing it took longer than {IMPORT_LIMIT:g} s.")
