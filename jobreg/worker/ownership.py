"""What a worker may run: what is installed, if the store says that the name is its provider's."""

from __future__ import annotations

import threading
from typing import Any

from .. import clock
from ..catalogue import Entry, Owner, overridden
from ..errors import BadInput, JobConflict
from ..events import emit
from ..lifecycle import Provider
from ..options import JobOptions
from ..registry import JobRef, Registry
from ..store import Store

_LOOK_EVERY = 5.0
"""Seconds after which what operators adopted or set takes effect here, once it was written."""
_LOOK_ANYWAY = 30.0
"""Seconds after which the store is asked even where it told of no write."""
_TELL_EVERY = 3600.0
"""Seconds after which the store is told again of jobs, so that it knows they are still run."""


class Ownership:
    """The owners and overrides of one worker, as the store held them some seconds ago."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._owners: dict[str, Owner] = {}
        self._overrides: dict[str, dict[str, Any]] = {}
        self._learned: dict[tuple[str, Provider], Entry] = {}
        self._unsaid: dict[tuple[str, Provider], Entry] = {}
        self._refused: set[tuple[str, str]] = set()
        self._seen: tuple[object, ...] = ()
        self._looked = self._look_at = 0.0
        self._tell_at = clock.seconds() + _TELL_EVERY
        self._looking = threading.Lock()

    @property
    def due_at(self) -> float:
        """When the store is next to be asked, on the process clock."""
        return self._look_at

    def look(self) -> bool:
        """Tell the store what was learned of jobs, and when it is time read what it says of them.

        True where something else may be run than before, or in another way.
        """
        if clock.seconds() >= self._tell_at:
            self._unsaid = dict(self._learned)
            self._tell_at = clock.seconds() + _TELL_EVERY
        self.tell()
        with self._looking:
            if clock.seconds() >= self._look_at:
                self._owners, self._overrides = self._store.catalogue.owners_and_overrides()
                self._looked = clock.seconds()
                self._look_at = self._looked + _LOOK_ANYWAY
            # What is installed nobody writes to the database.
            seen = self._owners, self._overrides, self._registry.snapshot()
            before, self._seen = self._seen, seen
            return before != seen

    def look_again(self) -> None:
        """Somebody wrote to the database: what it says of jobs may have changed."""
        self._look_at = min(self._look_at, self._looked + _LOOK_EVERY)

    def tell(self) -> None:
        """Tell the store what was learned of jobs."""
        if not self._unsaid:
            return
        with self._looking:
            if self._unsaid:
                said = list(self._unsaid.values())
                owners, refused = self._store.catalogue.learn_each(said, "hello")
                self._owners |= owners
                # Not kept for the next look: what was refused once is refused for ever, and a
                # claim comes after.
                self._unsaid = {}
                for entry, error in refused:
                    trouble = f"the store does not keep what {entry.provider.dist} says: {error}"
                    emit("job.unready", job_name=entry.job_name, trouble=trouble)

    def learn(self, entry: Entry) -> None:
        """Keep what a child said of a job, to be told at the next look."""
        key = entry.job_name, entry.provider
        if self._learned.get(key) != entry:
            self._learned[key] = self._unsaid[key] = entry

    def names(self) -> list[str]:
        """The names this worker may run, aliases too, in order."""
        snapshot = self._registry.snapshot()
        return sorted(
            name for name in {*snapshot.jobs, *snapshot.conflicts} if self.ref(name) is not None
        )

    def ref(self, name: str) -> JobRef | None:
        """Where the job is; None where it is not installed, or the name is another's."""
        owner = self._owners.get(name)
        snapshot = self._registry.snapshot()
        ref = snapshot.pick(name, None if owner is None else owner.dist)
        if ref is None and owner and name in snapshot.jobs:
            self._refuse(snapshot.jobs[name], owner)
        return ref

    def require(self, name: str) -> JobRef:
        """Where the job is.

        Raises:
            UnknownJob: it is not installed here, or denied.
            JobConflict: several distributions claim the name, or it is another's.
        """
        self.look()
        ref = self.ref(name)
        if ref is None:
            ref, owner = self._registry.ref(name), self._owners.get(name)
            if owner is not None and owner.dist != ref.dist:
                raise JobConflict(owner.refusal(ref))
        return ref

    def options(self, name: str, options: JobOptions) -> JobOptions:
        """A job's own options, with what operators set standing before them."""
        asked = self._overrides.get(name)
        if not asked:
            return options
        try:
            return overridden(options, asked)
        except BadInput as error:  # written by another version of jobreg
            emit("job.unready", job_name=name, trouble=f"an override cannot be used: {error}")
            return options

    def _refuse(self, ref: JobRef, owner: Owner) -> None:
        if (ref.name, ref.dist) not in self._refused:
            self._refused.add((ref.name, ref.dist))
            emit(
                "job.refused",
                job_name=ref.name,
                dist=ref.dist,
                owner=owner.dist,
                way_out=f"jobreg jobs adopt {ref.name} --from {ref.dist}",
            )
