"""Runs that somebody locks in the database are left aside, so that they hold up no others."""

from __future__ import annotations

from collections.abc import Sequence

from .. import clock
from ..store import Store

_LOOK_AGAIN = 1.0


class Aside:
    """The ids of runs of this worker that could not be written for a lock of somebody else's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._locked: set[str] = set()
        self.look_at = 0.0
        """When to ask again whether they still are, on the process clock."""

    def __bool__(self) -> bool:
        return bool(self._locked)

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._locked

    def find(self, run_ids: Sequence[str]) -> bool:
        """Leave aside those of these runs that are locked; were there any?

        Raises:
            StoreError: the database could not say.
        """
        found = self._ask(run_ids)
        self._locked |= found
        return bool(found)

    def look(self) -> None:
        """Where it is time, ask whether they still are locked.

        Raises:
            StoreError: the database could not say.
        """
        if self._locked and clock.seconds() >= self.look_at:
            self._locked = self._ask(list(self._locked))

    def _ask(self, run_ids: Sequence[str]) -> set[str]:
        found = self._store.locked(run_ids)
        self.look_at = clock.seconds() + _LOOK_AGAIN
        return found

    def clear(self) -> None:
        """They are no longer ours."""
        self._locked.clear()
