"""Asks importlib_metadata for what a scan of folders cannot see: archives, and foreign finders.

It is imported only where there are such; that costs 15 to 30 ms, once in a process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from typing import Any

from attrs import field, frozen

from .entry_points import FILE, HEADERS, Problem, label_of, normalise, stem, unreadable


@frozen
class Found:
    """One distribution as a finder gives it; ``data`` is empty where it advertises nothing.

    ``stem`` is its normalised name, by which copies of it are looked for.
    """

    stem: str
    path: str
    data: bytes
    header: bytes


def _identities(finders: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(map(id, finders))


@frozen
class Finders:
    """Foreign finders: those that Python asks before it looks along the path, and after.

    Two are equal that hold the same objects; what foreign code thinks equal is not asked.
    """

    before: tuple[Any, ...] = field(default=(), eq=_identities)
    after: tuple[Any, ...] = field(default=(), eq=_identities)

    def __bool__(self) -> bool:
        return bool(self.before or self.after)


NO_FINDERS = Finders()


def foreign_finders() -> Finders:
    """The finders of this process, on ``sys.meta_path``, that know distributions of their own.

    Not Python's own and not importlib_metadata's (or a copy of it), which look into the folders
    and archives that we look into ourselves.
    """
    before: list[Any] = []
    after: list[Any] = []
    found = before
    for finder in list(sys.meta_path):
        if finder is PathFinder:
            found = after
        elif _is_foreign(finder):
            found.append(finder)
    return Finders(tuple(before), tuple(after))


def _is_foreign(finder: object) -> bool:
    try:
        if not callable(getattr(finder, "find_distributions", None)):
            return False
        kind = finder if isinstance(finder, type) else type(finder)
        return kind.__name__ != "MetadataPathFinder"
    except Exception:  # it is foreign code, down to its attributes
        return False


def called(finder: object) -> str:
    """What to call a finder in front of people."""
    kind = finder if isinstance(finder, type) else type(finder)
    return f"{kind.__module__}.{kind.__qualname__}"


def in_archive(place: str) -> Iterator[Found | Problem]:
    """Look into a zip file, or an egg that is one."""
    from zipfile import is_zipfile

    if not is_zipfile(place):
        if os.path.isfile(place):
            told = "It is on the path, but neither a folder nor a zip file."
            yield Problem("unreadable", told, place)
        return
    from importlib_metadata import MetadataPathFinder, distributions

    # It remembers what was in an archive by the time of its last write alone.
    MetadataPathFinder.invalidate_caches()
    for dist in distributions(path=[place]):
        yield _look_at(dist, place)


def in_finder(finder: Any, path: Sequence[str]) -> Iterator[Found | Problem]:
    """Ask a foreign finder for all that it knows."""
    from importlib_metadata import DistributionFinder

    context = DistributionFinder.Context(path=path)  # type: ignore[no-untyped-call]  # it is
    for dist in finder.find_distributions(context):
        yield _look_at(dist, called(finder))


def tolerant(looks: Iterator[Found | Problem], place: str) -> Iterator[Found | Problem]:
    """Give what can be had; where foreign code fails, the reason in its place."""
    try:
        yield from looks
    except Exception as error:
        yield unreadable(place, error)


def _look_at(dist: Any, place: str) -> Found | Problem:
    where = place
    try:
        folder = getattr(dist, "_path", None)
        header = next(filter(None, (_read(dist, folder, name) for name in HEADERS)), b"")
        if folder is None:
            name = str(dist.metadata["Name"])
            where = f"{place}/{name}.dist-info"
            return Found(normalise(name), where, _read(dist, folder, FILE), header)
        where = str(folder).rstrip("/")
        return Found(stem(label_of(where)), where, _read(dist, folder, FILE), header)
    except Exception as error:  # a damaged archive, or a foreign distribution
        return unreadable(where, error)


def _read(dist: Any, folder: Any, name: str) -> bytes:
    """Read bytes where there are any: one that is not UTF-8 must cost its own line only."""
    if hasattr(folder, "joinpath") and hasattr(folder.joinpath(name), "read_bytes"):
        file = folder.joinpath(name)
        return bytes(file.read_bytes()) if file.exists() else b""
    return (dist.read_text(name) or "").encode("utf-8", "surrogatepass")
