"""The engine of tests: each claim is executed at once, by the thread that hands it over."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from contextvars import copy_context
from functools import partial

from attrs import evolve

from .. import clock
from ..lifecycle import Claim, Ending, Lane, Outcome, Provider
from ..runner import execute, introduce
from ..settings import Settings
from .base import Report, Room, over_time


class InlineEngine:
    """Runs each claim in this process; see :class:`jobreg.engines.base.Engine`.

    Nothing here can be killed, and a run is not interrupted: one that was told to end, or is over
    its time, can see so by ``current_run().cancelled``, and comes out so when it returns.

    Args:
        settings: for the caps of results and errors.
        cancelled: says of (run id, attempt) whether somebody wants that run cancelled.
        raised: is shown what a job raised.
    """

    def __init__(
        self,
        settings: Settings,
        cancelled: Callable[[str, int], bool],
        raised: Callable[[BaseException], None],
    ) -> None:
        self._settings = settings
        self._cancelled = cancelled
        self._raised = raised
        self._reports: list[Report] = []
        self._executing: dict[tuple[str, int], _Control] = {}
        self._stopping = False

    def start(self) -> None:
        """Nothing has to be made ready."""

    def room(self) -> int:
        """Say that one claim could begin at once."""
        return 1

    def rooms(self, lanes: Collection[Lane]) -> dict[Lane, Room]:
        """Say that one claim could begin at once, whatever its lane."""
        return dict.fromkeys(lanes, Room(places=0, children=1, fill=1, ahead=True))

    def backlog(self) -> int:
        """Say that no claim waits: each was executed when it was taken."""
        return 0

    def stalled(self) -> float:
        """Say that nothing has waited."""
        return 0.0

    def execute(self, claims: Iterable[Claim]) -> None:
        """Execute claims, one after the other, before this returns."""
        for claim in claims:
            key = claim.run_id, claim.attempt
            control = _Control(claim, self._cancelled, self._stopping, self._settings)
            self._executing[key] = control
            try:
                outcome = _outside_any_loop(partial(self._outcome, claim, control))
            finally:
                del self._executing[key]
            if outcome.ending is Ending.TIMEOUT:
                outcome = evolve(outcome, error=over_time(claim, outcome.error))
            self._reports.append(evolve(outcome, pid=os.getpid()))

    def _outcome(self, claim: Claim, control: _Control) -> Outcome:
        return execute(
            claim,
            control,
            lambda _: None,
            max_result=self._settings.max_result,
            max_error=self._settings.max_error,
            redact=self._settings.redact,
            raised=self._raised,
        )

    def probe(self, job_name: str, target: str, provider: Provider) -> None:
        """Import a job here; its Hello waits to be collected when this returns."""
        self._reports.append(introduce(job_name, target, provider, self._settings.max_error))

    def withdraw(self) -> list[Claim]:
        """Give back nothing: every claim has begun."""
        return []

    def interrupt(self, run_id: str, attempt: int, why: Ending) -> None:
        """Let a running claim know that it should end."""
        control = self._executing.get((run_id, attempt))
        if control is not None:
            control.asked = control.asked or why

    def announce_stop(self) -> None:
        """Let ``current_run().stopping`` be true in all running jobs."""
        self._stopping = True
        for control in self._executing.values():
            control.stopping = True

    def kill(self) -> None:
        """Ask what runs to be released; a call in this process cannot be killed."""
        for key in list(self._executing):
            self.interrupt(*key, Ending.RELEASED)

    def collect(self, timeout: float, also: int | None = None) -> Sequence[Report]:
        """Take the reports there are; others will not come by waiting."""
        reports, self._reports = self._reports, []
        return reports

    def wake(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing was started."""


class _Control:
    """Ties one run to this engine."""

    def __init__(
        self,
        claim: Claim,
        cancelled: Callable[[str, int], bool],
        stopping: bool,
        settings: Settings,
    ) -> None:
        self.store_url, self.max_result = settings.store, settings.max_result
        self._claim = claim
        self._cancelled = cancelled
        self._begun: float | None = None
        self.asked: Ending | None = None
        self.stopping = stopping

    @property
    def interrupt(self) -> str | None:
        """Why the run should end now: it was asked, cancelled, or is over its time."""
        if self.asked is None and self._cancelled(self._claim.run_id, self._claim.attempt):
            self.asked = Ending.CANCELLED
        limit = self._claim.options.timeout
        if self.asked is None and self._begun is not None and limit is not None:
            self.asked = Ending.TIMEOUT if clock.seconds() - self._begun >= limit else None
        return self.asked

    def begin(self) -> None:
        """The job's own code starts now."""
        self._begun = clock.seconds()

    def end(self) -> None:
        """The job's own code is over."""


def _outside_any_loop(work: Callable[[], Outcome]) -> Outcome:
    """Do the work here; where this thread runs an event loop, in another, for async jobs' sake."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:
        return work()
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, "jobreg-inline") as pool:
        return pool.submit(copy_context().run, work).result()
