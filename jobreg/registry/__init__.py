"""The registry: which jobs are installed here, found without importing any of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import count
from threading import RLock

from attrs import evolve, frozen

# Not on first use: a child forked while another thread imports a module waits for it for ever.
from .. import clock, settings
from ..errors import InvalidJob, JobConflict, UnknownJob
from .foreign import NO_FINDERS, foreign_finders
from .scan import APPLICATION, JobRef, Problem, name_fault, normalise
from .snapshot import Snapshot, take

__all__ = ["JobRef", "Problem", "Registry", "Snapshot", "default_registry", "normalise"]

CHECK_EVERY = 1.0
"""Seconds for which a known job is given out without looking whether it is still there."""
THOROUGHLY_EVERY = 5.0
"""Seconds for which files that advertised nothing, and foreign finders, are not asked again."""


@frozen
class _Look:
    """A snapshot, the number of the look that gave it, and when it was last found to hold."""

    snapshot: Snapshot
    number: int
    checked: float
    thoroughly: float


class Registry:
    """The jobs that can be run here, by name.

    Args:
        path: where to look: folders, zip files, eggs. By default ``sys.path``, as it is at each
            look, and the foreign finders on ``sys.meta_path`` that know distributions.
        allow: distributions whose jobs may run; empty for all.
        deny: distributions whose jobs may not.

    Safe to use from several threads and after a fork: each look is published by one assignment,
    and no lock is held while something is looked for or imported.

    Example:
        >>> from jobreg import Registry
        >>> Registry(path=[]).names()
        []
    """

    def __init__(
        self,
        path: Sequence[str] | None = None,
        *,
        allow: Iterable[str] = (),
        deny: Iterable[str] = (),
    ) -> None:
        self._path = path
        self._allow = frozenset(normalise(dist) for dist in allow)
        self._deny = frozenset(normalise(dist) for dist in deny)
        self._added: tuple[JobRef, ...] = ()
        self._seen: _Look | None = None
        self._numbers = count()

    def snapshot(self, *, recheck: bool = False) -> Snapshot:
        """What is installed now; looked at once a second at most, unless ``recheck`` asks."""
        seen, added, now = self._seen, self._added, clock.seconds()
        fresh = seen and not recheck and 0 <= now - seen.checked < CHECK_EVERY
        if seen and fresh and seen.snapshot.stamp.added is added:
            return seen.snapshot
        number = next(self._numbers)
        # A copy: another thread may insert into sys.path while we walk along it.
        path = list(sys.path if self._path is None else self._path)
        finders = foreign_finders() if self._path is None else NO_FINDERS
        if seen:
            thoroughly = not 0 <= now - seen.thoroughly < THOROUGHLY_EVERY
            if seen.snapshot.is_current(path, added, finders, thoroughly=thoroughly):
                last = now if thoroughly else seen.thoroughly
                return self._publish(_Look(seen.snapshot, number, now, last))
        found = take(path, added, self._allow, self._deny, finders)
        return self._publish(_Look(found, number, now, now))

    def _publish(self, look: _Look) -> Snapshot:
        """Give everybody this look, unless another thread's began later; equal ones are one."""
        with _writing:
            seen = self._seen
            if seen and seen.number > look.number:
                return seen.snapshot
            if seen and look.snapshot is not seen.snapshot and look.snapshot == seen.snapshot:
                look = evolve(look, snapshot=seen.snapshot)
            self._seen = look
            return look.snapshot

    def names(self) -> list[str]:
        """The names that can be run here, aliases too, in order."""
        return sorted(self.snapshot().jobs)

    def aliases(self, name: str) -> tuple[str, ...]:
        """The other names that the same function has in the same distribution, in order."""
        snapshot = self.snapshot()
        first = snapshot.aliases.get(name, name)
        same = {first, *(alias for alias, of in snapshot.aliases.items() if of == first)}
        return tuple(sorted(same - {name}))

    def ref(self, name: str) -> JobRef:
        """Find where a job is, importing nothing.

        Raises:
            UnknownJob: no such job is installed, or its distribution is denied here.
            JobConflict: several distributions claim the name.
        """
        name = str(name)  # whatever it is, there is no job of that name
        ref = self.snapshot().jobs.get(name)
        if ref is None:
            snapshot = self.snapshot(recheck=True)
            ref = snapshot.jobs.get(name)
            if ref is None:
                raise _refusal(name, snapshot)
        return ref

    def load(self, name: str) -> Callable[..., object]:
        """Import the function behind a job.

        Raises:
            UnknownJob, JobConflict: as :meth:`ref`.
            JobLoadError: its code cannot be imported.
        """
        from .load import load

        return load(name, self.ref(name).target, self)

    def add(self, name: str, function: Callable[..., object]) -> None:
        """Register a function of the application itself, which must be importable.

        Raises:
            InvalidJob: the name or the function cannot be a job's.
            JobConflict: an installed distribution has a job of this name.
        """
        fault = name_fault(name) or _function_fault(name, function)
        if fault:
            raise InvalidJob(fault)
        module, attr = function.__module__, function.__qualname__
        ref = JobRef(name, module, attr, APPLICATION, "", "", "")
        # Looked at before the lock is taken: a look may run foreign code.
        snapshot = self.snapshot(recheck=True)
        claimants = snapshot.conflicts.get(name) or (snapshot.jobs.get(name, ref),)
        with _writing:
            known = {each.name: each for each in self._added}
            if known.get(name, ref) != ref:
                raise InvalidJob(f"Job {name!r} was already added, with another function.")
            if claimants != (ref,):
                raise _conflict(name, dict.fromkeys((*claimants, ref)))
            # The next look differs from the last by what was added, and so is taken anew.
            self._added = tuple({**known, name: ref}.values())


def _function_fault(name: str, function: Callable[..., object]) -> str | None:
    """Say why a function cannot be found again by its module and name; None when it can."""
    module = getattr(function, "__module__", None)
    attr = getattr(function, "__qualname__", None)
    move = "Define it at the top level of a module that workers can import."
    if not callable(function) or not module or not attr:
        return f"What was given for job {name!r} is not a plain function. {move}"
    if "<lambda>" in attr or "<locals>" in attr:
        return (
            f"The function given for job {name!r} is a lambda or lies inside another function, "
            f"so no other process can import it. {move}"
        )
    if module == "__main__":
        return (
            f"The function given for job {name!r} lies in __main__, which no other process "
            f"can import. {move} To run it in this process, use jobreg.testing.plugin() within "
            "jobreg.testing.inline()."
        )
    found: object = sys.modules.get(module)
    for part in attr.split("."):
        found = getattr(found, part, None)
    if found != function:
        return (
            f"The function given for job {name!r} is not what its module holds under its name, "
            f"so a worker would import something else. {move}"
        )
    from ..options import options_of

    declared = options_of(function).name
    if declared not in (None, name):
        return f"The function given for job {name!r} says @job(name={declared!r})."
    return None


def _refusal(name: str, snapshot: Snapshot) -> JobConflict | UnknownJob:
    """Say why a name cannot be run here, and what to do."""
    if name in snapshot.conflicts:
        return _conflict(name, snapshot.conflicts[name])
    shown = repr(name[:128])
    for ref in snapshot.denied:
        if ref.name == name:
            return UnknownJob(
                f"Job {shown} ({ref.provider}) is installed but denied here. "
                "Look at JOBREG_ALLOW_DISTS and JOBREG_DENY_DISTS."
            )
    for ref in snapshot.invalid:
        if ref.name == name:
            return UnknownJob(
                f"Job {shown} ({ref.provider}) is advertised wrongly. See: jobreg jobs list"
            )
    return unknown_job(name, {each: ref.provider for each, ref in snapshot.jobs.items()})


def unknown_job(name: str, providers: Mapping[str, str]) -> UnknownJob:
    """The error for a name that nobody knows; ``providers`` are those of all that are known."""
    from difflib import get_close_matches

    close = get_close_matches(name[:128], providers, n=3)
    meant = " or ".join(f"{each!r} ({providers[each]})" for each in close)
    hint = f" Did you mean {meant}?" if close else ""
    return UnknownJob(
        f"No job named {name[:128]!r} is installed here.{hint} See: jobreg jobs list",
        close=tuple(close),
    )


def _conflict(name: str, claimants: Collection[JobRef]) -> JobConflict:
    owners = " and ".join(ref.provider for ref in claimants)
    installed = [ref.dist for ref in claimants if ref.dist != APPLICATION]
    return JobConflict(
        f"Job {name!r} is claimed by {owners}, so it is not run. Uninstall or deny "
        f"(JOBREG_DENY_DISTS={installed[-1]}) all but one, or choose one, as with: "
        f"jobreg jobs adopt {name} --from {installed[0]}"
    )


_default: Registry | None = None
_writing = RLock()  # entered again where a signal handler submits


def _forget_lock() -> None:
    """Another thread may have held it at the fork, and does not go on in the child."""
    global _writing
    _writing = RLock()


if hasattr(os, "register_at_fork"):  # where there is a fork
    os.register_at_fork(after_in_child=_forget_lock)


def default_registry() -> Registry:
    """The registry of this process, made on first use with the allow and deny settings."""
    global _default
    if _default is None:
        # No store is wanted here; naming one spares looking for the user's data folder.
        known = settings.load(store=":none:")
        made = Registry(allow=known.allow_dists, deny=known.deny_dists)
        with _writing:
            if _default is None:
                _default = made
    return _default
