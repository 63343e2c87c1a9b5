"""Who may run what: the advertised jobs of one moment, with conflicts and denials worked out."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from attrs import frozen

from .foreign import NO_FINDERS, Finders
from .scan import APPLICATION, JobRef, Mark, Problem, Scan, Source, mark, places, scan

_UNSETTLED_NS = 2_000_000_000


@frozen
class Stamp:
    """By which a change is noticed: places, contributing files, and what was added by hand.

    ``quiet`` marks the files that advertise nothing yet, which are many; ``finders`` are the
    foreign ones that were asked; what they know leaves no mark. ``settled`` is False where
    something was written within 2 s: a second write in the same tick of the file system's clock
    would not show, so such a stamp is not trusted.
    """

    places: tuple[Mark, ...]
    files: tuple[Mark, ...]
    added: tuple[JobRef, ...]
    quiet: tuple[Mark, ...] = ()
    finders: Finders = NO_FINDERS
    settled: bool = True


@frozen
class Snapshot:
    """What is installed, at one moment. Nothing in it changes; a new one is made instead.

    ``jobs`` holds what can be run (aliases too, and ``aliases`` says of what), ``conflicts`` the
    names that several distributions claim, ``denied`` what the allow and deny lists keep out,
    ``invalid`` what is advertised wrongly, ``shadowed`` what an earlier place on the path hides.
    """

    jobs: Mapping[str, JobRef]
    aliases: Mapping[str, str]
    conflicts: Mapping[str, tuple[JobRef, ...]]
    denied: tuple[JobRef, ...]
    invalid: tuple[JobRef, ...]
    shadowed: tuple[JobRef, ...]
    problems: tuple[Problem, ...]
    stamp: Stamp

    @property
    def allowed(self) -> tuple[JobRef, ...]:
        """Every job that is advertised and not denied; a contested one once for each claimant."""
        contested = (ref for refs in self.conflicts.values() for ref in refs)
        return (*self.jobs.values(), *contested)

    def names_of(self, target: str) -> tuple[str, ...]:
        """The names under which a ``module:attr`` is advertised, contested ones too."""
        return tuple(dict.fromkeys(ref.name for ref in self.allowed if ref.target == target))

    def pick(self, name: str, owner: str | None) -> JobRef | None:
        """Where the job is, if its distribution may run the name.

        ``owner`` is the distribution the name belongs to; it settles a conflict. None is nobody:
        then only an uncontested name can be run. What an application added is its own.
        """
        ref = self.jobs.get(name)
        if ref is not None:
            return ref if owner in (None, ref.dist) or ref.dist == APPLICATION else None
        claimants = self.conflicts.get(name, ()) if owner else ()
        return next((ref for ref in claimants if ref.dist == owner), None)

    def is_current(
        self,
        path: Sequence[str],
        added: tuple[JobRef, ...],
        finders: Finders = NO_FINDERS,
        *,
        thoroughly: bool = True,
    ) -> bool:
        """True where looking again would find the same.

        Unless asked ``thoroughly`` it does not look at each file that has advertised nothing so
        far, nor at what foreign finders know: that costs 1 ms for 500 distributions, and more.
        """
        stamp = self.stamp
        if not stamp.settled or stamp.added != added or stamp.finders != finders:
            return False
        if stamp.places != places(path) or not _unchanged(stamp.files):
            return False
        return not thoroughly or (not finders and _unchanged(stamp.quiet))


def take(
    path: Sequence[str],
    added: tuple[JobRef, ...] = (),
    allow: Collection[str] = (),
    deny: Collection[str] = (),
    finders: Finders = NO_FINDERS,
) -> Snapshot:
    """Look at what is installed on a module search path, and add an application's own jobs.

    ``allow`` (where not empty) and ``deny`` hold normalised names of distributions; ``finders``
    are foreign ones to ask as well.
    """
    found = scan(path, finders)
    visible = [source for source in found.sources if not source.hidden]
    denied = [source for source in visible if _is_denied(source.dist, allow, deny)]
    own = Source(APPLICATION, False, added, (), ())
    claims = _claims([own, *(source for source in visible if source not in denied)])
    jobs = {name: refs[0] for name, refs in sorted(claims.items()) if len(refs) == 1}
    conflicts = {name: refs for name, refs in sorted(claims.items()) if len(refs) > 1}
    return Snapshot(
        jobs=MappingProxyType(jobs),
        aliases=MappingProxyType(_aliases(jobs.values())),
        conflicts=MappingProxyType(conflicts),
        denied=_refs(denied),
        invalid=tuple(ref for source in visible for ref in source.invalid),
        shadowed=_refs(source for source in found.sources if source.hidden),
        problems=_ordered((*found.problems, *(p for source in visible for p in source.problems))),
        stamp=_stamp(found, added, finders),
    )


def _is_denied(dist: str, allow: Collection[str], deny: Collection[str]) -> bool:
    return dist in deny or bool(allow and dist not in allow)


def _refs(sources: Iterable[Source]) -> tuple[JobRef, ...]:
    return tuple(ref for source in sources for ref in source.jobs)


def _ordered(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda each: (each.file, each.line or 0, each.code)))


def _claims(sources: Iterable[Source]) -> dict[str, tuple[JobRef, ...]]:
    """Every claimant of every name; in an order that does not depend on the path's."""
    claims: dict[str, tuple[JobRef, ...]] = {}
    for source in sources:
        for ref in source.jobs:
            claims[ref.name] = (*claims.get(ref.name, ()), ref)
    return {name: tuple(sorted(refs, key=_by_owner)) for name, refs in claims.items()}


def _by_owner(ref: JobRef) -> tuple[str, ...]:
    return ref.dist, ref.version, ref.metadata_path


def _aliases(jobs: Iterable[JobRef]) -> dict[str, str]:
    """Names whose distribution advertises the same target under an earlier name as well."""
    first: dict[tuple[str, str], str] = {}
    found: dict[str, str] = {}
    for ref in jobs:
        chosen = first.setdefault((ref.dist, ref.target), ref.name)
        if chosen != ref.name:
            found[ref.name] = chosen
    return found


def _stamp(found: Scan, added: tuple[JobRef, ...], finders: Finders) -> Stamp:
    now = time.time_ns()
    # A time in the future settles nothing either way: a later write would bring it back to now.
    marks = (*found.places, *found.files, *found.quiet)
    fresh = any(abs(now - each[3]) < _UNSETTLED_NS for each in marks)
    return Stamp(found.places, found.files, added, found.quiet, finders, settled=not fresh)


def _unchanged(marks: Iterable[Mark]) -> bool:
    return all(mark(each[0]) == each for each in marks)
