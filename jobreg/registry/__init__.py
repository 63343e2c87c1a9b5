"""The registry: which jobs are installed here, found without importing any of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from threading import Lock

from .. import clock
from ..errors import InvalidJob, JobConflict, UnknownJob
from .scan import APPLICATION, JobRef, Problem, foreign_finders, name_fault, normalise
from .snapshot import Snapshot, take

__all__ = ["JobRef", "Problem", "Registry", "Snapshot", "default_registry", "normalise"]

CHECK_EVERY = 1.0
"""Seconds for which a known job is given out without looking whether it is still there."""


class Registry:
    """The jobs that can be run here, by name.

    Args:
        path: where to look; by default ``sys.path``, as it is at each look.
        allow: distributions whose jobs may run; empty for all.
        deny: distributions whose jobs may not.

    Safe to use from several threads: each look is published by one assignment, and nothing is
    held while job code is imported.

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
        self._adding = Lock()
        self._seen: tuple[Snapshot, float] | None = None
        self._taken = 0.0

    def snapshot(self, *, recheck: bool = False) -> Snapshot:
        """What is installed now; looked at once a second at most, unless ``recheck`` asks."""
        seen, now = self._seen, clock.seconds()
        if seen and not recheck and now - seen[1] < CHECK_EVERY:
            return seen[0]
        # A copy: another thread may insert into sys.path while we walk along it.
        path = list(sys.path if self._path is None else self._path)
        finders = foreign_finders() if self._path is None else ()
        if seen and not finders and seen[0].is_current(path, self._added):
            current = seen[0]
        else:
            current = take(path, self._added, self._allow, self._deny, finders)
            self._taken = now
        self._seen = current, now
        return current

    def _look_again(self) -> Snapshot:
        """For a name that is missing: read anew, once a second at most, whatever the stamp says.

        A file of a distribution that had advertised nothing may have been written over, which no
        folder's time tells.
        """
        if clock.seconds() - self._taken >= CHECK_EVERY:
            self._seen = None
        return self.snapshot(recheck=True)

    def names(self) -> list[str]:
        """The names that can be run here, aliases too, in order."""
        return sorted(self.snapshot().jobs)

    def ref(self, name: str) -> JobRef:
        """Find where a job is, importing nothing.

        Raises:
            UnknownJob: no such job is installed, or its distribution is denied here.
            JobConflict: several distributions claim the name.
        """
        name = str(name)  # whatever it is, there is no job of that name
        ref = self.snapshot().jobs.get(name)
        if ref is None:
            snapshot = self._look_again()
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
        with self._adding:
            known = {each.name: each for each in self._added}
            if known.get(name, ref) != ref:
                raise InvalidJob(f"Job {name!r} was already added, with another function.")
            snapshot = self.snapshot(recheck=True)
            claimants = snapshot.conflicts.get(name) or (snapshot.jobs.get(name, ref),)
            if claimants != (ref,):
                raise _conflict(name, dict.fromkeys((*claimants, ref)))
            self._added = tuple({**known, name: ref}.values())
            # The next look differs from the last by what was added, and so is taken anew.
            self._seen = None


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
    from difflib import get_close_matches

    close = get_close_matches(name[:128], snapshot.jobs, n=3)
    meant = " or ".join(f"{each!r} ({snapshot.jobs[each].provider})" for each in close)
    hint = f" Did you mean {meant}?" if close else ""
    return UnknownJob(f"No job named {shown} is installed here.{hint} See: jobreg jobs list")


def _conflict(name: str, claimants: Collection[JobRef]) -> JobConflict:
    owners = " and ".join(ref.provider for ref in claimants)
    installed = [ref.dist for ref in claimants if ref.dist != APPLICATION]
    return JobConflict(
        f"Job {name!r} is claimed by {owners}, so it is not run. Uninstall one of them, or deny "
        f"one, for example with JOBREG_DENY_DISTS={installed[-1]}."
    )


_default: Registry | None = None
_making = Lock()


def default_registry() -> Registry:
    """The registry of this process, made on first use with the allow and deny settings."""
    global _default
    with _making:
        if _default is None:
            from .. import settings

            # No store is wanted here; naming one spares looking for the user's data folder.
            known = settings.load(store=":none:")
            _default = Registry(allow=known.allow_dists, deny=known.deny_dists)
    return _default
