"""What was read of the store some seconds ago: read once for all who are told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from attrs import frozen

from .. import clock
from ..codec import run_object
from ..following import why_waiting
from ..handle import Run
from ..lifecycle import Attempt, Provider, RunRecord, State
from ..objects.status import WINDOW as RATE_WINDOW, details_of, status_of, worker_objects
from ..redaction import all_shown
from ..why import Answer, Sight, explain

if TYPE_CHECKING:
    from ..catalogue import Entry
    from ..client import Client
    from ..store import Pause, WorkerRow
    from ..store.activity import Activity

WHOLE_EVERY = 12.0
"""Seconds between two looks at the whole, for those who follow it: it takes seven questions."""
WINDOW = 3600.0
"""Seconds of the past that the overview tells of."""
SLICES = 60
FRESH = 2.0
"""Seconds for which the whole is good for who looks at it once."""

_KEEP_KNOWN = 30.0
_MOST_TRIED = 1000


@frozen
class Whole:
    """How everything stands: as ``jobreg status`` says it, and what was settled lately.

    ``workers`` are told at length.
    """

    status: dict[str, Any]
    activity: Activity
    workers: list[dict[str, Any]]
    rows: Sequence[WorkerRow]
    pauses: Sequence[Pause]


@frozen
class _Kept:
    """What was read, and until when, on the process clock, it is good."""

    until: float
    value: Any


class Lately:
    """Answers by what was read a short while ago. Safe to share between threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._reading = Lock()
        self._whole: tuple[float, Whole] | None = None
        self._known: dict[str, _Kept] = {}
        self._able = _Kept(0.0, ((), (), {}))
        self._tried: dict[str, tuple[object, Sequence[Attempt]]] = {}

    def whole(self, at_most: float) -> Whole:
        """How everything stands, at most so many seconds ago."""
        with self._reading:
            kept = self._whole
            if kept is None or clock.seconds() - kept[0] > at_most:
                kept = clock.seconds(), self._read_whole()
                self._whole = kept
            return kept[1]

    def _read_whole(self) -> Whole:
        store = self._client.store
        rows, busy, pauses = store.workers(), store.busy(), store.pauses()
        self._able = _Kept(clock.seconds() + WHOLE_EVERY, (rows, pauses, busy))
        status = status_of(store.load(RATE_WINDOW), worker_objects(rows, busy))
        activity = store.activity(WINDOW, SLICES)
        return Whole(status, activity, details_of(rows, busy), rows, pauses)

    def objects(self, records: Sequence[RunRecord]) -> list[dict[str, Any]]:
        """Runs as they may be shown, as JSON."""
        with self._reading:
            entries = self._entries(records)
            queued = any(record.state is State.QUEUED for record in records)
            workers, pauses, _ = self._who_could_run() if queued else ((), (), {})
        waits = why_waiting(records, workers, pauses)
        shown = all_shown(records, entries, self._client.settings.redact)
        return [run_object(each, waits[each.run_id]) for each in shown]

    def waits(self, records: Sequence[RunRecord]) -> dict[str, Any]:
        """What each of these runs waits for, by its id, as it is now."""
        with self._reading:
            self._able = _Kept(0.0, self._able.value)
        return {each["run_id"]: each["waiting_on"] for each in self.objects(records)}

    def _entries(self, records: Sequence[RunRecord]) -> list[Entry]:
        """What the store knows of the jobs of these runs, read anew where another version ran one.

        What a version hides is in the store before it runs anything.
        """
        now = clock.seconds()
        ran: dict[str, set[Provider | None]] = {}
        for record in records:
            ran.setdefault(record.job_name, set()).add(record.provider)
        unknown = _Kept(0.0, ((), frozenset()))
        kept = {name: self._known.get(name, unknown) for name in ran}
        stale = [
            name for name, by in ran.items() if now >= kept[name].until or by - kept[name].value[1]
        ]
        if stale:
            found = self._client.store.catalogue.known(stale)
            for name in stale:
                mine = [each for each in found if each.job_name == name]
                seen = kept[name].value[1] | ran[name]
                self._known[name] = _Kept(now + _KEEP_KNOWN, (mine, seen))
        return [entry for name in ran for entry in self._known[name].value[0]]

    def _who_could_run(self) -> tuple[Sequence[WorkerRow], Sequence[Pause], Mapping[str, int]]:
        if clock.seconds() >= self._able.until:
            store = self._client.store
            able = store.workers(), store.pauses(), store.busy()
            self._able = _Kept(clock.seconds() + WHOLE_EVERY, able)
        workers, pauses, busy = self._able.value
        return workers, pauses, busy

    def attempts(self, record: RunRecord) -> Sequence[Attempt]:
        """The attempts of a run as it stands."""
        stands = record.attempt, record.state
        with self._reading:
            kept = self._tried.pop(record.run_id, None)
            if kept is None or kept[0] != stands:
                kept = stands, self._client.store.attempts(record.run_id)
            self._tried[record.run_id] = kept
            if len(self._tried) > _MOST_TRIED:
                del self._tried[next(iter(self._tried))]
        return kept[1]

    def worker_of(self, record: RunRecord) -> WorkerRow | None:
        """The worker that holds a run."""
        with self._reading:
            workers, _, _ = self._who_could_run()
        return next((each for each in workers if each.worker_id == record.worker_id), None)

    def why(self, record: RunRecord) -> Answer:
        """Why a run is in its state, and what to do."""
        with self._reading:
            workers, pauses, busy = self._who_could_run()
        sight = Sight(
            workers=lambda: workers,
            pauses=lambda: pauses,
            busy=lambda: busy,
            attempts=lambda: self.attempts(record),
            before=None,
        )
        return explain(self._client, Run(self._client, record), sight)
