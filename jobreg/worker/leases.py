"""The lease: a worker's row in the store, renewed by beats, is its right to all runs it holds."""

from __future__ import annotations

import json
import math
import os
import random
import threading
from collections.abc import Callable
from contextlib import suppress

from .. import __version__, clock, proc
from ..errors import StoreError
from ..events import emit
from ..request import new_run_id
from ..settings import Settings
from ..store import Store
from . import host
from .guard import Guard
from .outage import Outage

FENCE_AT = 5 / 6
"""The part of a lease after which a worker that could not renew it kills its own children."""
_UNLOCK_AT = 2 / 3
"""The part of a lease after which a run of its own may not keep a worker from renewing it."""
_MOMENT = 0.005


def columns(
    worker_id: str, here: host.Host, settings: Settings, names: list[str]
) -> dict[str, object]:
    """What the store keeps of a worker in this process."""
    return {
        "worker_id": worker_id,
        "host": here.name,
        "pid": os.getpid(),
        "pid_started": host.started(os.getpid()),
        "boot_id": here.boot_id,
        "pid_namespace": here.pid_namespace,
        "jobreg_version": __version__,
        "concurrency": settings.concurrency,
        "queues": json.dumps(settings.queues),
        "names": json.dumps(names),
        "lease": settings.lease,
    }


class Lease:
    """Registers a worker and keeps its lease, in two threads that run no job code.

    One beats; it may hang in the database. The other touches the guard's page, and calls
    ``on_overdue`` when no beat has succeeded for five sixths of a lease, asking nobody. Before
    that, where a process keeps the file of the store locked, it is named to ``end_writer``.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        guard: Guard,
        names: Callable[[], list[str]],
        on_overdue: Callable[[], None],
        end_writer: Callable[[int], bool],
        condition: Callable[[], str | None],
        outage: Outage,
    ) -> None:
        self._store = store
        self._settings = settings
        self._guard = guard
        self._names = names
        self._on_overdue = on_overdue
        self._end_writer = end_writer
        self._condition = condition
        self._outage = outage
        self._at_once = threading.Event()
        self._ended = threading.Event()
        self._renewed = self._touched = self._beats_until = 0.0
        self.host = host.Host.here()
        self.worker_id = ""
        self.gap_ended = 0.0
        self.lost = False
        self._threads = [
            threading.Thread(target=self._beat, name="jobreg-beat", daemon=True),
            threading.Thread(target=self._watch, name="jobreg-watch", daemon=True),
        ]

    @property
    def held(self) -> bool:
        """May this worker still believe that its runs are its own?"""
        return not self.lost and not self._overdue()

    @property
    def beats(self) -> bool:
        """Is it this worker itself that writes to the store now, or did a moment ago?"""
        return clock.seconds() < self._beats_until

    def start(self) -> None:
        """Register and begin to beat.

        Raises:
            StoreError: the worker could not be registered.
        """
        try:
            self.register()
        except StoreError:
            self.worker_id = ""  # to take leave would be to wait once more
            raise
        self._touched = self._renewed
        for thread in self._threads:
            thread.start()

    def register(self) -> None:
        """Add a row for this worker under a new id; after a lost lease, too."""
        begun = clock.seconds()
        self.worker_id = new_run_id()
        self._store.register(columns(self.worker_id, self.host, self._settings, self._names()))
        self._renewed = begun
        self.lost = False

    def close(self) -> None:
        """Stop beating and delete the row, unless a run still names it."""
        self._ended.set()
        self._at_once.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=1)
        if not self.worker_id:
            return
        try:
            self._store.forget(self.worker_id)
        except StoreError as error:
            # Others will find the row out of date and delete it.
            self._outage.met("lease", error)

    def beat_now(self) -> None:
        """Beat before it is due, because there is something to say."""
        self._at_once.set()

    def _overdue(self) -> bool:
        """Is the last beat too long ago, or was this process frozen until now?"""
        return self._gap(min(self._renewed, self._touched))

    def _gap(self, since: float, part: float = FENCE_AT) -> bool:
        return clock.seconds() - since > self._settings.lease * part

    def _beat(self) -> None:
        # Jitter: workers started together must not beat together.
        while True:
            self._at_once.wait(self._settings.lease / 3 * random.uniform(0.8, 1.0))
            self._at_once.clear()
            if self._ended.is_set():
                return
            begun, worker_id = clock.seconds(), self.worker_id
            self._beats_until = math.inf
            try:
                names = json.dumps(self._names())
                lease, condition = self._settings.lease, self._condition()
                renewed = self._store.beat(worker_id, lease, names, condition)
            except StoreError as error:
                self._outage.met("lease", error)
                continue
            finally:
                self._beats_until = clock.seconds() + _MOMENT
            self._outage.passed("lease")
            if renewed:
                if self._gap(self._renewed):
                    self._end_gap()
                self._renewed = begun
            elif worker_id == self.worker_id and not self._ended.is_set():
                self.lost = True
                self._on_overdue()

    def _end_gap(self) -> None:
        """Frozen until now: the guard has killed what ran, and no job is to blame."""
        self.gap_ended = clock.seconds()
        self._on_overdue()

    def _watch(self) -> None:
        told = False
        while not self._ended.wait(self._settings.lease / 10):
            begun = clock.seconds()
            with suppress(OSError):  # nothing left for a new guard; the next touch may find it
                self._guard.touch()
            # From before the last touch to after this one: the guard has seen no longer gap.
            if self._gap(self._touched):
                self._end_gap()
            self._touched = begun
            if self._gap(self._renewed, _UNLOCK_AT):
                self._unlock()
            overdue = self._overdue()
            if overdue:
                self._on_overdue()
            if overdue and not told:
                emit("lease.overdue", worker_id=self.worker_id)
            told = overdue

    def _unlock(self) -> None:
        """Where a run of ours keeps the file locked, have it end, and beat."""
        file = self._store.database.file
        writer = None if file is None else proc.writer(file)
        if writer is not None and self._end_writer(writer):
            self.beat_now()
