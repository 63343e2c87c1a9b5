"""Asks importlib_metadata for what a scan of folders cannot see: archives, and foreign finders.

It is imported only where there are such; that costs 15 to 30 ms, once in a process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import frozen

from .entry_points import FILE, Problem, normalise, stem, unreadable

_HEADERS = ("METADATA", "PKG-INFO")


@frozen
class Found:
    """One distribution as a finder gives it; ``data`` is empty where it advertises nothing.

    ``stem`` is its normalised name, by which copies of it are known; ``label`` the name of its
    metadata folder, which says name and version where ``header`` does not.
    """

    stem: str
    label: str
    path: str
    data: bytes
    header: bytes


def foreign_finders() -> tuple[Any, ...]:
    """The finders of this process, on ``sys.meta_path``, that know distributions of their own.

    Not Python's own and not importlib_metadata's (or a copy of it), which look into the folders
    and archives that we look into ourselves.
    """
    return tuple(finder for finder in list(sys.meta_path) if _is_foreign(finder))


def _is_foreign(finder: object) -> bool:
    try:
        if not callable(getattr(finder, "find_distributions", None)):
            return False
        kind = finder if isinstance(finder, type) else type(finder)
        ours = kind.__name__ == "MetadataPathFinder"
        return not ours and kind.__module__ != "_frozen_importlib_external"
    except Exception:  # it is foreign code, down to its attributes
        return False


def called(finder: object) -> str:
    """What to call a finder in front of people."""
    kind = finder if isinstance(finder, type) else type(finder)
    return f"{kind.__module__}.{kind.__qualname__}"


def in_archive(place: str) -> Iterator[Found | Problem]:
    """Look into a zip file, or an egg that is one."""
    from zipfile import is_zipfile

    from importlib_metadata import MetadataPathFinder, distributions

    if not is_zipfile(place):
        if os.path.isfile(place):
            told = "It is on the path, but neither a folder nor a zip file."
            yield Problem("unreadable", told, place)
        return
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
        where = str(folder).rstrip("/") if folder is not None else place
        data = _read(dist, folder, FILE)
        header = next(filter(None, (_read(dist, folder, name) for name in _HEADERS)), b"")
        label = os.path.basename(where)
        if label.lower() == "egg-info":
            label = os.path.basename(os.path.dirname(where))
        if folder is None:
            name = str(dist.metadata["Name"])
            return Found(normalise(name), f"{name}.dist-info", where, data, header)
        return Found(stem(label), label, where, data, header)
    except Exception as error:  # a damaged archive, or a foreign distribution
        return unreadable(where, error)


def _read(dist: Any, folder: Any, name: str) -> bytes:
    """Read bytes where there are any: one that is not UTF-8 must cost its own line only."""
    if hasattr(folder, "joinpath") and hasattr(folder.joinpath(name), "read_bytes"):
        file = folder.joinpath(name)
        return bytes(file.read_bytes()) if file.exists() else b""
    return (dist.read_text(name) or "").encode("utf-8", "surrogatepass")
