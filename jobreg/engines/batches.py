"""How many runs a child is handed at once: short ones together, all others one by one.

To hand one run to a child and to hear of its end costs several times what a short run takes, so a
child is given about 20 ms of work, measured by what runs of the same name took. What comes to
stand behind a run that takes longer is called back, and begins elsewhere.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable

from ..lifecycle import PROCESSES, Claim, Outcome
from ..settings import Settings
from .children import Child

WORK = 0.020
"""Seconds of work to hand to a child."""
MOST = 256
LEAST = 0.00005
"""Seconds that the shortest run takes, with what is to be done about it."""
LATE = 0.020
"""Seconds after which what stands behind a run is called back."""
# Of parameters: what does not fit into the pipe of a child that executes would only wait for it.
_BYTES = 32 * 1024


class Batches:
    """Knows how long runs of each name take, and shares out what waits."""

    def __init__(self, settings: Settings) -> None:
        self._seconds: dict[str, float] = {}
        self._most = MOST if sys.platform == "linux" else 1
        self._child_runs = settings.child_runs

    def took(self, claim: Claim, outcome: Outcome) -> None:
        """A run has ended."""
        if outcome.started is not None:
            took = max(LEAST, outcome.ended - outcome.started)
            known = self._seconds.get(claim.job_name, took)
            self._seconds[claim.job_name] = 0.8 * known + 0.2 * took

    def short_of_work(self, children: Iterable[Child], claim: Claim, now: float) -> Child | None:
        """The busy child that serves this claim's provider and has least to do, if too little.

        None that a run holds up: what it was given would be called back, again and again.
        """
        if self._estimate(claim) is None:
            return None
        least, found = WORK / 2, None
        for each in children:
            if each.lane != PROCESSES or each.provider != claim.provider:
                continue
            if each.given and each.takes_more and not _is_held_up(each, now):
                work = self._work(each)
                if work < least and each.runs < self._child_runs:
                    least, found = work, each
        return found

    def next_for(self, child: Child, waiting: deque[Claim], children: int) -> list[Claim]:
        """Take from what waits what this child is to have next; at least one claim."""
        batch = [waiting.popleft()]
        if not waiting:
            return batch
        first = batch[0]
        work, size = self._estimate(first), len(first.params)
        if work is None:
            return batch
        left = WORK - self._work(child)
        share = 1 + len(waiting) // max(1, children)
        most = min(self._most, share, self._child_runs - child.runs)
        while waiting and len(batch) < most:
            claim = waiting[0]
            more = self._estimate(claim)
            size += len(claim.params)
            if more is None or claim.provider != first.provider:
                break
            if work + more > left or size > _BYTES:
                break
            work += more
            batch.append(waiting.popleft())
        return batch

    def looks_again(self, child: Child) -> float | None:
        """Seconds after which a child is to be asked again whether it is late; None: it is not."""
        return LATE if len(child.given) > 1 else None

    def is_late(self, child: Child, now: float) -> bool:
        """Has a child executed one run for so long that those behind it should go elsewhere?"""
        return len(child.given) > 1 and _is_held_up(child, now)

    def _work(self, child: Child) -> float:
        """Seconds of work that a child has, about; without end where that is not known."""
        given = child.given
        if not given:
            return 0.0
        most = 0.0
        for number in (next(iter(given)), next(reversed(given))):
            seconds = self._estimate(given[number])
            if seconds is None:
                return float("inf")
            most = max(most, seconds)
        return most * len(given)

    def _estimate(self, claim: Claim) -> float | None:
        """Seconds that a claim will take; None where it is to be handed over alone."""
        options = claim.options
        alone = (
            claim.crashes
            or claim.suspect
            or options.at_most_once
            or options.isolation == "fresh"
            or len(claim.params) > _BYTES // 4
        )
        seconds = self._seconds.get(claim.job_name)
        return None if alone or seconds is None or seconds > WORK / 2 else seconds


def _is_held_up(child: Child, now: float) -> bool:
    """Has it executed one run for longer than short ones take?"""
    since = child.page.since
    # What is imported now would be imported elsewhere as well.
    return since is not None and now - max(since, child.handed) > LATE
