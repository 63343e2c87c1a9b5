"""Writes what runs print and log, in rows, under their fence, while they execute."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .. import clock
from ..engines.base import Output
from ..errors import StoreError, StoreUnavailable
from ..events import emit
from ..lifecycle import LogChunk, Outcome
from ..store import LogRow, Store

_EVERY = 0.25
_ROW = 128 * 1024
_AT_ONCE = 64

_Key = tuple[str, int]


class Scribe:
    """Keeps output until it is written: at most a quarter of a second, or while the store is away.

    Its size is bounded by what engines let through of each attempt.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._heard: dict[_Key, list[LogChunk]] = {}
        self._rows: list[LogRow] = []
        self._numbers: dict[_Key, int] = {}
        self._written = 0.0

    def keep(self, output: Output) -> None:
        """Take output of an attempt this worker holds."""
        self._heard.setdefault((output.run_id, output.attempt), []).extend(output.chunks)

    @property
    def due_at(self) -> float:
        """When something is to be written, on the process clock."""
        return self._written + _EVERY if self._heard or self._rows else math.inf

    def write(self, worker_id: str, *, now: bool = False) -> None:
        """Write what was heard, if it is time to, or now. On an error it is kept for the next.

        Raises:
            StoreUnavailable: the database could not take it.
        """
        if not self._heard and not self._rows:
            return
        if not now and clock.seconds() - self._written < _EVERY:
            return
        heard, self._heard = self._heard, {}
        for key, chunks in heard.items():
            self._rows.extend(self._rows_of(key, chunks))
        while self._rows:
            self._put(worker_id, self._rows[:_AT_ONCE])
            del self._rows[:_AT_ONCE]
        self._written = clock.seconds()

    def forget(self, outcomes: Iterable[Outcome]) -> None:
        """These attempts are over; nothing of them will come."""
        for outcome in outcomes:
            self._numbers.pop((outcome.run_id, outcome.attempt), None)

    def discard(self) -> None:
        """Forget everything: no attempt is ours any more."""
        self._heard.clear()
        self._rows.clear()
        self._numbers.clear()

    def _rows_of(self, key: _Key, chunks: list[LogChunk]) -> Iterable[LogRow]:
        """Rows of bounded size, numbered on from the last: an answer lost is no line twice."""
        size, row = 0, list[LogChunk]()
        for chunk in chunks:
            size += len(chunk.text)
            row.append(chunk)
            if size >= _ROW or chunk is chunks[-1]:
                number = self._numbers[key] = self._numbers.get(key, 0) + 1
                yield LogRow(*key, number, tuple(row))
                size, row = 0, []

    def _put(self, worker_id: str, rows: list[LogRow]) -> None:
        """Write rows together; where the database takes offence at one, do without that one."""
        try:
            self._store.write_logs(worker_id, rows)
        except StoreUnavailable:
            raise
        except StoreError as error:
            if len(rows) == 1:
                (row,) = rows
                emit("run.unlogged", run_id=row.run_id, attempt=row.attempt, error=error)
                return
            for row in rows:
                self._put(worker_id, [row])
