"""A child that many runs share, as the supervisor sees it: each has its own limit and end.

Who is to blame when it dies is in docs/decisions/0025-many-runs-in-one-child.md.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from attrs import define, field

from .. import clock
from ..lifecycle import Claim, Ending, ErrorReport, Lane, LogChunk, Outcome
from . import children, wire
from .base import over_time
from .children import Child, Said
from .sorting import SortingCapture

ASYNCIO = 100
"""Runs that may be under way on the event loop of one child."""

THREADS = 20
"""Runs that may be under way in the threads of one child."""

_REMIND_EVERY = 0.1

_SLOW = 2.0
"""Seconds after which a child that has not begun what it has is given no more: it may import for
long, or stand still, and another child, or another worker, will begin it sooner."""


def places_of(engine: str) -> int:
    """How many runs a child of this engine executes at one time."""
    return {"asyncio": ASYNCIO, "threads": THREADS}.get(engine, 1)


@define(eq=False)
class SharedChild(Child):
    """One child process, and the runs that it has to execute at once."""

    begun: dict[int, float] = field(factory=dict)
    """Since when the code of each run executes, on the process clock."""
    waiting: dict[int, float] = field(factory=dict)
    """Since when each was handed to it that has not begun, in this order."""
    asks: dict[int, tuple[Ending, float]] = field(factory=dict)
    """Why each was told to end, and when it is no longer asked."""
    reminded: float = 0.0
    importing: tuple[int, float] = (0, 0.0)
    stuck: list[int] = field(factory=list)
    spared: bool = False
    """Did we kill it for the sake of one run? The others are not to blame."""
    proved: bool = False
    """Did any run ever begin here?"""

    @property
    def sorting(self) -> SortingCapture:
        """Its output, by run."""
        assert isinstance(self.capture, SortingCapture)
        return self.capture

    @property
    def lane(self) -> Lane:
        """Whose claims it may be given."""
        return self.engine, self.provider

    @property
    def places(self) -> int:
        """How many more runs could begin in it beside those that it has."""
        if not self.takes_more or clock.seconds() - self._waits_since() >= _SLOW:
            return 0
        left = min(places_of(self.engine) - len(self.given), self.most_runs - self.runs)
        return max(0, left)

    # what it is given and says

    def give(self, claims: Sequence[Claim], caps: dict[str, Any]) -> None:
        """Hand it claims, to be begun at once."""
        numbered = list(enumerate(claims, self.last + 1))
        now = clock.seconds()
        for number, claim in numbered:
            self.given[number], self.waiting[number] = claim, now
            self.sorting.give(number, caps["max_log"])
        self.last += len(claims)
        self.runs += len(claims)
        self.send(wire.run_to(numbered, caps, self.told))

    def next(self) -> None:
        """Nothing waits for the end of another."""

    def recall(self) -> list[Claim]:
        """Take back none: what it was given, it begins."""
        return []

    def has_begun(self, number: int, since: float, marks: Sequence[int] | None) -> None:
        """A run begins; its limit counts from now."""
        if number not in self.given:
            raise ValueError("a run begins that is none")
        self.begun[number], self.proved = since, True
        self.waiting.pop(number, None)
        self.sorting.begun(number, marks)

    def end(self, number: int) -> Claim | None:
        """Its claim of this number is over, or was not begun."""
        for each in (self.begun, self.waiting, self.asks):
            each.pop(number, None)
        self._set_grace()
        self.sorting.end(number, None)
        return self.given.pop(number, None)

    def hear(self, now: float) -> list[Said]:
        """What is to be passed on by now."""
        # A message may say that what was read without a number is another run's.
        unclear = self.sorting.holds_bare and not self.pipe.closed and self.pipe.poll(0)
        self.sorting.flow(bare=not unclear)
        return [(self.given.get(number), chunks) for number, chunks in self.sorting.take(now)]

    def last_words(self, number: int, marks: Sequence[int] | None) -> tuple[LogChunk, ...]:
        """What a run that is over has said since."""
        return self.sorting.end(number, marks)

    def silence(self) -> list[Said]:
        """All that is left of what a dead one has said."""
        said: list[Said] = [(each, self.sorting.end(n, ())) for n, each in self.given.items()]
        return [*said, (None, self.sorting.finish())]

    def says_again(self, now: float) -> float | None:
        """Seconds until there is something to be passed on."""
        return self.sorting.wait(now)

    # limits

    def ask(self, number: int, why: Ending, grace: float) -> None:
        """Ask one run to end, and set the time at which it is no longer asked."""
        if number in self.given and number not in self.asks and not self.killed:
            self.asks[number] = why, clock.seconds() + grace
            self._set_grace()
            self.send(wire.pack({"do": "interrupt", "number": number, "why": why}))
            self._remind(clock.seconds())

    def _set_grace(self) -> None:
        self.kill_at = min((at for _, at in self.asks.values()), default=None)

    def _remind(self, now: float) -> None:
        """Interrupt a run that was told to end and holds up the loop, so that it does not hear."""
        at = self.page.taken
        if self.engine == "asyncio" and at in self.asks and now - self.reminded >= _REMIND_EVERY:
            self.reminded = now
            self.signal(at, self.asks[at][0])

    def end_grace(self) -> None:
        """One was asked for long enough; its neighbours end with it, and are not to blame."""
        self.spared = True
        self.kill()

    def over(self, now: float) -> list[int]:
        """The runs that are over their time, by number."""
        self._remind(now)
        return [
            number
            for number, since in self.begun.items()
            if (limit := self.given[number].options.timeout) is not None
            and now - since >= limit
            and number not in self.asks
        ]

    def is_stuck(self, now: float) -> bool:
        """Has it imported a job for too long, or stood still in nobody's code?"""
        if self.killed:
            return False
        at, limit = self.page.taken, children.IMPORT_LIMIT
        if at != self.importing[0] or at in self.begun:
            self.importing = at, now
        if self.engine == "threads":
            late = [n for n, since in self.waiting.items() if n <= at and now - since >= limit]
            free = not self.begun  # a run may hold up the others for as long as it likes
        else:
            free = now - self.importing[1] >= limit  # so may one whose step it is
            late = [at] if at in self.given and free else []
        self.stuck = late
        self.spared = not late and free and now - self._waits_since() >= limit
        return bool(late) or self.spared

    def _waits_since(self) -> float:
        """Since when the first waits that it was handed and has not begun; inf where none does."""
        return next(iter(self.waiting.values()), math.inf)

    def stop_import(self) -> None:
        """End it: neither an import nor what stands still can be asked to."""
        self.kill()

    def looks_again(self, now: float) -> float | None:
        """Seconds until one of its limits or its grace runs out; None when none does."""
        pauses = [
            since + limit - now
            for number, since in self.begun.items()
            if (limit := self.given[number].options.timeout) is not None and number not in self.asks
        ]
        if self.kill_at is not None:
            pauses += [self.kill_at - now, _REMIND_EVERY]
        return min(pauses, default=None)

    # its end

    def under_way(self) -> list[int]:
        """Its runs that it has taken up and that are not over, by number."""
        at, threads = self.page.taken, self.engine == "threads"
        return [n for n in self.given if n in self.begun or n == at or (threads and n < at)]

    def leave(self, claim: Claim, changed: bool) -> bool:
        """A run is over: the child ends when all are, if one of them has changed it."""
        self.spent |= changed
        return False

    def left(self) -> tuple[list[Outcome], list[Claim]]:
        """Of a dead child: what became of each run that had begun, and those that had not."""
        blamed = self._blamed()
        outcomes, unbegun = [], []
        for number, claim in self.given.items():
            ending = self._ending(number, blamed)
            if ending is None:
                unbegun.append(claim)
            else:
                started, error = self.begun.get(number), self._error(claim, ending, number)
                if ending is Ending.CRASHED and started is None:
                    started = self.waiting[number]
                outcomes.append(self.outcome(claim, ending, started, error))
        return outcomes, unbegun

    def _ending(self, number: int, blamed: Collection[int]) -> Ending | None:
        if number in self.asks:
            return self.asks[number][0]
        if number in blamed:
            alone = Ending.TIMEOUT if self.stuck else Ending.CRASHED
            return alone if len(blamed) == 1 and not self.unblamed else Ending.LOST
        gone = self.asked is not None or number in self.begun
        return Ending.RELEASED if gone else None

    def _blamed(self) -> Collection[int]:
        """The one run whose code the process died in, or those among which it must be."""
        if self.asked is not None or self.spared:
            return ()
        if self.orphan:
            return self.under_way()
        if self.stuck:
            return self.stuck
        at, threads = self.page.taken, self.engine == "threads"
        if not threads and at and not self.unclear and not self.page.beside:
            return (at,)  # also where that run is over: what it left did it, and no neighbour
        # One that has not begun is charged only where none could be begun.
        return self.under_way() or ([] if self.proved else list(self.given)[:1])

    def _error(self, claim: Claim, ending: Ending, number: int) -> ErrorReport | None:
        match ending:
            case Ending.CRASHED:
                return self.death("that ran it")
            case Ending.LOST if self.stuck:
                return children.import_took_too_long()
            case Ending.LOST:
                return self.death("that ran it and others")
            case Ending.TIMEOUT if number in self.stuck:
                return children.import_took_too_long()
            case Ending.TIMEOUT:
                return over_time(claim, locks=number == self.locks)
        return None
