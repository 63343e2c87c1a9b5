"""What every worker does for all, no leader: queue what is due, take back dead workers' runs."""

from __future__ import annotations

import math
import random

from .. import clock
from ..errors import StoreUnavailable
from ..events import emit
from ..settings import Settings
from ..store import Store, WorkerRow
from . import host

_SWEEP = 2.5
_LOOK_AT_PIDS = 1.0
_STAGE = 10.0
_STAGE_AGAIN = 0.25
# Each worker looks about once an hour whether history is too old, and deletes a batch at a time,
# so that the other duties are not late.
_PRUNE = 3600.0
_PRUNE_ON = 0.5


class Upkeep:
    """Runs each duty when it is due; the rescuer's clock is this process's own."""

    def __init__(self, store: Store, settings: Settings, here: host.Host) -> None:
        self._store = store
        self._here = here
        # A quarter of a lease, and often enough to free a dead neighbour's runs within 3 s.
        self._every = min(settings.lease / 4, _SWEEP)
        self._seen: dict[str, tuple[int, float]] = {}
        self._neighbours: list[WorkerRow] = []
        self._partly: set[str] = set()
        self._sweep_at = self._pids_at = self._stage_at = self._staged = 0.0
        self._next_due = math.inf
        self._retain = settings.retain
        self.asked: str | None = None
        """What an operator asks of this worker, as of the last sweep."""
        # Not all workers that were started together at one time, and none that just looks in.
        self._prune_at = clock.seconds() + random.uniform(0.01, 0.1) * _PRUNE

    @property
    def due_at(self) -> float:
        """When the next duty is due, on the process clock."""
        pids = self._pids_at if self._neighbours else math.inf
        return min(self._stage_at, self._sweep_at, pids, self._prune_at)

    def run(self, worker_id: str) -> bool:
        """Do what is due; True when runs may have been queued.

        Raises:
            StoreError: the database could not do it.
        """
        now, queued = clock.seconds(), False
        if now >= self._stage_at:
            # What was due by now, another worker may have queued before us.
            queued, self._staged = now >= self._next_due, now
            wait = self._store.next_due()
            if wait == 0.0:
                queued, wait = True, self._store.stage_due()
            self._next_due = math.inf if wait is None else now + wait
            self._stage_at = min(now + _STAGE, self._next_due)
        if now >= self._sweep_at:
            self._sweep_at = now + self._every
            queued |= self.sweep(worker_id)
        elif now >= self._pids_at:
            self._pids_at = now + _LOOK_AT_PIDS
            if any(host.is_gone(each) for each in self._neighbours):
                queued |= self.sweep(worker_id)
        if now >= self._prune_at:
            self._prune_at = now + _PRUNE * random.uniform(0.8, 1)
            if self.prune():
                self._prune_at = now + _PRUNE_ON
        return queued

    def prune(self) -> int:
        """Delete a batch of runs of each state that have been over for too long; how many."""
        pruned = {
            state: self._store.history.prune(state, age)
            for state, age in self._retain.items()
            if age is not None
        }
        if any(pruned.values()):
            emit("store.pruned", **pruned)
        return sum(pruned.values())

    def look_for_due(self) -> None:
        """Somebody wrote to the database: the next due time may have changed."""
        self._stage_at = min(self._stage_at, self._staged + _STAGE_AGAIN)

    def expect(self, seconds: float) -> None:
        """A run was scheduled by us: it is due so many seconds from now."""
        self._next_due = min(self._next_due, clock.seconds() + seconds)
        self._stage_at = min(self._stage_at, self._next_due)

    def _rescue(self, row: WorkerRow) -> int | None:
        """Take back its runs: all of them, or those that nobody locks for long."""
        try:
            return self._store.rescue(row, leaving=row.worker_id in self._partly)
        except StoreUnavailable as error:
            if not error.locked:
                raise
        self._partly.add(row.worker_id)
        return self._store.rescue(row, leaving=True)

    def sweep(self, worker_id: str) -> bool:
        """Take back the runs of every dead worker; True when there were any."""
        everybody = self._store.workers()
        self.asked = next((row.asked for row in everybody if row.worker_id == worker_id), None)
        rows = [row for row in everybody if row.worker_id != worker_id]
        now, rescued = clock.seconds(), False
        self._partly &= {row.worker_id for row in rows}
        self._seen = {row.worker_id: self._sight(row, now) for row in rows}
        self._neighbours = [row for row in rows if self._here.is_of(row)]
        for row in rows:
            if self._dead(row, now):
                taken = self._rescue(row)
                if taken or (taken is not None and row.state == "live"):
                    emit("worker.rescued", worker_id=row.worker_id, runs=taken)
                    rescued = rescued or taken > 0
        if rescued:
            self.look_for_due()
        return rescued

    def _sight(self, row: WorkerRow, now: float) -> tuple[int, float]:
        """The beat of a worker, and since when we have seen that very beat."""
        beat, since = self._seen.get(row.worker_id, (row.beat, now))
        return (beat, since) if beat == row.beat else (row.beat, now)

    def _dead(self, row: WorkerRow, now: float) -> bool:
        """Is a worker dead? A step of the database's clock alone never says so.

        Its lease is out and the same beat has been seen for two thirds of a lease, or the same
        beat has been seen for two leases; or its process was on this host and is gone.
        """
        if row.state != "live" or (self._here.is_of(row) and host.is_gone(row)):
            return True
        unchanged = now - self._seen[row.worker_id][1]
        return unchanged >= 2 * row.lease or (row.expired and unchanged >= row.lease * 2 / 3)
