"""Runs as those who follow are shown them, by what the store said of jobs some seconds ago."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from attrs import frozen

from .. import clock
from ..codec import run_object
from ..following import why_waiting
from ..lifecycle import Provider, RunRecord, State
from ..redaction import all_shown

if TYPE_CHECKING:
    from ..catalogue import Entry
    from ..client import Client
    from ..store import Pause, WorkerRow

_KEEP = 30.0
_KEEP_ABLE = 12.0


@frozen
class _Kept:
    """What was read, and until when, on the process clock, it is good."""

    until: float
    value: Any


class Viewer:
    """Shows runs without asking the store for each of them. Safe to share between threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._reading = Lock()
        self._known: dict[str, _Kept] = {}
        self._able = _Kept(0.0, ((), ()))

    def objects(self, records: Sequence[RunRecord]) -> list[dict[str, Any]]:
        """Runs as they may be shown, as JSON."""
        with self._reading:
            entries = self._entries(records)
            queued = any(record.state is State.QUEUED for record in records)
            workers, pauses = self._who_could_run() if queued else ((), ())
        waits = why_waiting(records, workers, pauses)
        shown = all_shown(records, entries, self._client.settings.redact)
        return [run_object(each, waits[each.run_id]) for each in shown]

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
                self._known[name] = _Kept(now + _KEEP, (mine, seen))
        return [entry for name in ran for entry in self._known[name].value[0]]

    def _who_could_run(self) -> tuple[Sequence[WorkerRow], Sequence[Pause]]:
        if clock.seconds() >= self._able.until:
            store = self._client.store
            able = store.workers(), store.pauses()
            self._able = _Kept(clock.seconds() + _KEEP_ABLE, able)
        workers, pauses = self._able.value
        return workers, pauses
