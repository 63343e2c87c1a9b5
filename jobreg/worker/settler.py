"""Writes what happened to the runs this worker holds, in batches, under their fence."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import Any

from attrs import evolve

from .. import clock
from ..engines.base import Note
from ..errors import StoreError, StoreUnavailable
from ..events import emit, emit_all
from ..legible import amount
from ..lifecycle import Claim, Ending, ErrorReport, Outcome, Progress, Reason, State, decide
from ..store import Store
from .aside import Aside

_Key = tuple[str, int]

_FACTS = ("run_id", "job_name", "attempt", "outcome", "state")
_SEVERAL = 8
_TOGETHER = 400
_PATIENCE = 0.030


class Settler:
    """Knows every claim this worker holds until its outcome is written."""

    def __init__(self, store: Store, host: str) -> None:
        self._store = store
        self._host = host
        self._held: dict[_Key, Claim] = {}
        self._pending: dict[_Key, Outcome] = {}
        self._notes: dict[_Key, Progress] = {}
        self._aside = Aside(store)
        self._since = 0.0
        self._last = 0

    @property
    def holds(self) -> int:
        """How many runs this worker holds."""
        return len(self._held)

    @property
    def holds_suspect(self) -> bool:
        """Is what it holds to run alone?"""
        # One comes by itself, to a worker that holds nothing else.
        return len(self._held) == 1 and next(iter(self._held.values())).suspect

    def pause(self) -> float:
        """Seconds until there are outcomes to be written: at once under light load.

        Where many come, they are written together: a commit costs as much as a hundred of them.
        """
        if not self._pending:
            return math.inf
        if self._aside and not self._writable():
            return self._aside.look_at - clock.seconds()
        if self._last < _SEVERAL or not _SEVERAL <= len(self._pending) < _TOGETHER:
            return 0.0
        if len(self._pending) == len(self._held):
            return 0.0
        return self._since + _PATIENCE - clock.seconds()

    def knows(self, run_id: str, attempt: int) -> bool:
        """Does this worker hold that attempt?"""
        return (run_id, attempt) in self._held

    def take(self, claims: Iterable[Claim]) -> list[Claim]:
        """Hold new claims, fail those that are too old to begin, and return the others."""
        ready, facts = [], list[Any]()
        for claim in claims:
            run_id, attempt = claim.run_id, claim.attempt
            self._held[run_id, attempt] = claim
            facts.append((run_id, claim.job_name, attempt))
            if claim.expired:
                self._expire(claim)
            else:
                ready.append(claim)
        emit_all("run.claimed", _FACTS[:3], facts)
        return ready

    def add(self, outcome: Outcome) -> Claim | None:
        """Take an outcome to be written; returns its claim, None when it is not held any more."""
        key = outcome.run_id, outcome.attempt
        claim = self._held.get(key)
        if claim is not None:
            note = self._notes.pop(key, None)
            if note is not None and outcome.progress is None:
                outcome = evolve(outcome, progress=note)
            if not self._pending or (self._aside and not self._writable()):
                self._since = clock.seconds()
            self._pending[key] = decide(claim, outcome, random.random)
        return claim

    def note(self, note: Note) -> None:
        """Take note of how far a run has come; written with the next :meth:`write_progress`."""
        if (note.run_id, note.attempt) in self._held:
            self._notes[note.run_id, note.attempt] = note.progress

    def release(self, claims: Iterable[Claim]) -> None:
        """Give claims back that never began, uncounted."""
        for claim in claims:
            self.add(
                Outcome(
                    run_id=claim.run_id,
                    attempt=claim.attempt,
                    ending=Ending.RELEASED,
                    ended=clock.seconds(),
                )
            )

    def give_up(self) -> None:
        """The worker ends: tell of the outcomes that the store did not take."""
        for key, claim in self._held.items():
            ended = self._pending.get(key)
            told = dict(zip(_FACTS[:3], (claim.run_id, claim.job_name, claim.attempt), strict=True))
            emit("run.unsettled", **told, outcome=ended and ended.ending)

    def _expire(self, claim: Claim) -> None:
        most = amount(claim.options.max_age or 0)
        told = f"It was due for {claim.age:.0f} s; its max_age is {most} s."
        self.add(
            Outcome(
                run_id=claim.run_id,
                attempt=claim.attempt,
                ending=Ending.RELEASED,
                reason=Reason.EXPIRED,
                error=ErrorReport("Expired", told),
                ended=clock.seconds(),
            )
        )

    def reconcile(self, worker_id: str) -> int:
        """Release what the store says this worker holds and it does not: how many that was.

        The answer to their claim was lost, so they never began.

        Raises:
            StoreError: the database could not say, or not take it.
        """
        self._aside.look()
        stray = [
            claim
            for claim in self._store.holding(worker_id)
            if (claim.run_id, claim.attempt) not in self._held and claim.run_id not in self._aside
        ]
        if stray:
            released = [
                decide(
                    claim,
                    Outcome(run_id=claim.run_id, attempt=claim.attempt, ending=Ending.RELEASED),
                    random.random,
                )
                for claim in stray
            ]
            try:
                self._store.settle(worker_id, self._host, released)
            except StoreUnavailable as error:
                if not (error.locked and self._aside.find([each.run_id for each in stray])):
                    raise
                return self.reconcile(worker_id)
        return len(stray)

    def settle(self, worker_id: str) -> list[Outcome]:
        """Write the outcomes there are and return them. On an error they are kept for the next.

        So are those of runs that somebody locks: they hold up no others.

        Raises:
            StoreError: the database could not take them.
        """
        self._aside.look()
        outcomes = self._writable()
        if not outcomes:
            return []
        self._last = len(outcomes)
        try:
            refused = self._write(worker_id, outcomes)
        except StoreUnavailable as error:
            if not (error.locked and self._aside.find([each.run_id for each in outcomes])):
                raise
            outcomes = self._writable()
            refused = self._write(worker_id, outcomes) if outcomes else []
        settled, reasoned = list[Any](), list[Any]()
        for outcome in outcomes:
            run_id, attempt = key = outcome.run_id, outcome.attempt
            claim = self._held.pop(key)
            del self._pending[key]
            facts = run_id, claim.job_name, attempt, outcome.ending, outcome.state
            if refused and outcome in refused:
                told = dict(zip(_FACTS, facts, strict=True))
                emit("lease.lost", **told, reason=outcome.reason)
            elif outcome.reason is None:
                settled.append(facts)
            else:
                reasoned.append((*facts, outcome.reason))
        emit_all("run.settled", _FACTS, settled)
        emit_all("run.settled", (*_FACTS, "reason"), reasoned)
        return outcomes

    def _writable(self) -> list[Outcome]:
        outcomes = list(self._pending.values())
        if not self._aside:
            return outcomes
        return [each for each in outcomes if each.run_id not in self._aside]

    def _write(self, worker_id: str, outcomes: list[Outcome]) -> list[Outcome]:
        """Write outcomes together; where the database takes offence at one, one by one."""
        try:
            return self._store.settle(worker_id, self._host, outcomes)
        except StoreUnavailable:
            raise
        except StoreError as error:
            if len(outcomes) > 1:
                return [each for one in outcomes for each in self._write(worker_id, [one])]
            told = ErrorReport("StoreError", f"The store refused what came out of it: {error}")
            plain = evolve(
                outcomes[0], ending=Ending.ERROR, state=State.FAILED, reason=Reason.ERROR,
                result=None, error=told, progress=None,
            )  # fmt: skip
            return [outcomes[0]] if self._store.settle(worker_id, self._host, [plain]) else []

    def write_progress(self, worker_id: str) -> None:
        """Write the latest progress of runs that go on.

        Raises:
            StoreError: the database could not take it.
        """
        self._aside.look()
        notes = {key: each for key, each in self._notes.items() if key[0] not in self._aside}
        self._notes = {key: each for key, each in self._notes.items() if key not in notes}
        if not notes:
            return
        rows = [(run_id, attempt, each) for (run_id, attempt), each in notes.items()]
        try:
            self._store.note_progress(worker_id, rows)
        except StoreUnavailable as error:
            self._notes |= notes  # for the next time
            if not (error.locked and self._aside.find([run_id for run_id, _ in notes])):
                raise
            return
        for key in notes.keys() & self._held.keys():
            # What the store noted of it at the claim is no longer so.
            self._held[key] = evolve(self._held[key], row=())

    def discard(self) -> None:
        """Forget every claim: they are no longer ours."""
        for claim in self._held.values():
            emit("lease.lost", run_id=claim.run_id, job_name=claim.job_name, attempt=claim.attempt)
        self._held.clear()
        self._pending.clear()
        self._aside.clear()
        self._notes.clear()
