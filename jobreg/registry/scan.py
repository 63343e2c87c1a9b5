"""Finds the jobs that installed distributions advertise, by reading their metadata only.

A scan of our own, because discovery must cost little (importing the standard library's
importlib.metadata alone takes 26 ms) and must never raise: there, one malformed line or stray
byte in *any* installed distribution is an exception for everyone.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from typing import Any

from attrs import field, frozen

from .entry_points import (
    APPLICATION,
    FILE,
    GROUP,
    JobRef,
    Problem,
    Source,
    may_advertise,
    name_fault,
    normalise,
    read_source,
    stem,
    unreadable,
)
from .foreign import Found, called, in_archive, in_finder, tolerant

__all__ = ["APPLICATION", "GROUP", "JobRef", "Problem", "Source", "name_fault", "normalise"]

LARGEST = 1024 * 1024
"""Bytes of an entry_points.txt beyond which it is not read; the largest known has 50 KiB."""

_HEADERS = ("METADATA", "PKG-INFO")
_HEADER_BYTES = 16384
_ENDINGS = (".dist-info", ".egg-info")
_READ = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_CLOEXEC", "O_NONBLOCK", "O_BINARY"))
_LEFT_BEHIND = "~-."
"""pip renames what it is about to remove to "~..." (once "-..."); an interrupted one leaves it."""

Mark = tuple[str, int, int, int]
"""A path with device, inode and mtime in ns; zeros where there is nothing."""

_NEVER_SAME = -1, 0, 0
"""Marks what could not be read: permissions change without a trace, so it is tried again."""


@frozen
class Scan:
    """What was found on a path, in its order, and the marks by which a change is noticed.

    ``places`` marks the entries of the path, ``files`` what the jobs were read from, ``quiet``
    every other entry_points.txt, there or not, in which a first job can appear.
    """

    sources: tuple[Source, ...]
    problems: tuple[Problem, ...]
    places: tuple[Mark, ...]
    files: tuple[Mark, ...]
    quiet: tuple[Mark, ...]


_Copy = tuple[str, str, bytes | None]
"""Place and path of a metadata folder, and its header where a finder gave it."""


@frozen
class _Finds:
    """What a scan has gathered so far.

    ``homes`` has the first metadata folder of every distribution, by its stem; ``copies`` all
    folders of those that were met more than once.
    """

    adverts: list[tuple[Found, str]] = field(factory=list)
    problems: list[Problem] = field(factory=list)
    files: list[Mark] = field(factory=list)
    quiet: list[Mark] = field(factory=list)
    homes: dict[str, _Copy] = field(factory=dict)
    copies: dict[str, list[_Copy]] = field(factory=dict)


def mark(path: str) -> Mark:
    """Note what tells whether a file or folder has changed."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # ValueError: a null byte in the path
        return path, 0, 0, 0
    return path, found.st_dev, found.st_ino, found.st_mtime_ns


def places(path: Sequence[str]) -> tuple[Mark, ...]:
    """Mark the places of a module search path, each once, however often it is spelled."""
    found: dict[object, Mark] = {}
    for entry in path:
        if not isinstance(entry, str):
            continue
        try:
            place = mark(os.path.abspath(entry))
        except OSError:  # "" is the working directory, and that can be gone
            continue
        found.setdefault(place[1:3] if place[2] else place[0], place)
    return tuple(found.values())


def scan(path: Sequence[str], finders: Sequence[Any] = ()) -> Scan:
    """Read what is advertised on a module search path; never raises for what it finds there.

    Args:
        path: folders, zip files and eggs, as in ``sys.path``.
        finders: foreign finders that are asked first; see :func:`.foreign.foreign_finders`.
    """
    # Marked before it is read: what changes meanwhile is noticed at the next look.
    marks = places(path)
    finds = _Finds()
    for finder in finders:
        _take(tolerant(in_finder(finder, path), called(finder)), called(finder), finds)
    for place, *_ in marks:
        try:
            names = os.listdir(place)
        except FileNotFoundError:
            continue
        except NotADirectoryError:
            _take(tolerant(in_archive(place), place), place, finds)
        except (OSError, ValueError) as error:
            finds.problems.append(unreadable(place, error))
            finds.quiet.append((place, *_NEVER_SAME))
        else:
            _scan_folder(place, names, finds)
    return Scan(
        _sources(finds), tuple(finds.problems), marks, tuple(finds.files), tuple(finds.quiet)
    )


def _take(looks: Iterable[Found | Problem], place: str, finds: _Finds) -> None:
    """Take what a finder gave."""
    for each in looks:
        if isinstance(each, Problem):
            finds.problems.append(each)
            continue
        _meet(each.stem, (place, each.path, each.header), finds)
        if may_advertise(each.data):
            finds.adverts.append((each, place))


def _meet(name: str, copy: _Copy, finds: _Finds) -> None:
    first = finds.homes.setdefault(name, copy)
    if first is not copy:
        finds.copies.setdefault(name, [first]).append(copy)


def _scan_folder(place: str, names: Iterable[str], finds: _Finds) -> None:
    """Read what lies in one folder. Its loop is what finding jobs costs: each step counts."""
    egg = os.path.basename(place) if place.lower().endswith(".egg") else None
    adverts: list[Found] = []
    for name in names:
        if name.endswith(_ENDINGS):
            label = name
        elif egg and name.lower() == "egg-info":
            label = egg
        else:
            continue
        if name[0] in _LEFT_BEHIND:
            continue
        path = f"{place}/{name}"
        known_as = stem(label)
        _meet(known_as, (place, path, None), finds)
        data = _look_at(f"{path}/{FILE}", known_as, finds)
        if data:
            header = _read_header(path, finds)
            adverts.append(Found(known_as, label, path, data, header))
    # In an order that does not depend on the folder's.
    adverts.sort(key=lambda each: each.path)
    finds.adverts.extend((each, place) for each in adverts)


def _look_at(file: str, dist: str, finds: _Finds) -> bytes | None:
    """Read an entry_points.txt; None where none of ours are in it."""
    try:
        # Before it is read, too. And opening a pipe would wait for ever.
        about = os.stat(file)
        data = _read(file, about)
    except (FileNotFoundError, NotADirectoryError):
        finds.quiet.append((file, 0, 0, 0))
    except OSError as error:
        finds.problems.append(_trouble(file, error, dist))
        finds.quiet.append((file, *_NEVER_SAME))
    else:
        seen = file, about.st_dev, about.st_ino, about.st_mtime_ns
        if may_advertise(data):
            finds.files.append(seen)
            return data
        finds.quiet.append(seen)
    return None


def _read(file: str, about: os.stat_result) -> bytes:
    """Read a file whole, at half of what open() costs; it adds up over all distributions."""
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "it is no file")
    if about.st_size > LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {LARGEST} bytes")
    number = os.open(file, _READ)
    try:
        return os.read(number, about.st_size + 1)
    finally:
        os.close(number)


def _trouble(file: str, error: OSError, dist: str | None) -> Problem:
    if error.errno == errno.EFBIG:
        return Problem("too_large", f"It is not read: {error.strerror}.", file, None, dist)
    return unreadable(file, error, dist)


def _read_header(path: str, finds: _Finds) -> bytes:
    """Read the beginning of what says name and version."""
    for name in _HEADERS:
        file = f"{path}/{name}"
        try:
            about = os.stat(file)
            if not stat.S_ISREG(about.st_mode):
                continue
            with open(file, "rb", buffering=0) as stream:
                data = stream.read(_HEADER_BYTES)
        except OSError:
            continue
        finds.files.append((file, about.st_dev, about.st_ino, about.st_mtime_ns))
        return data
    finds.files.append((f"{path}/{_HEADERS[0]}", 0, 0, 0))
    return b""


def _sources(finds: _Finds) -> tuple[Source, ...]:
    """Parse what was found, once it is known which copy of each distribution counts."""
    names = {found.stem for found, _ in finds.adverts}
    chosen = {name: _choose(finds.copies[name], finds) for name in sorted(names & {*finds.copies})}
    return tuple(
        read_source(
            found.data,
            found.header,
            label=found.label,
            path=found.path,
            origin=origin,
            hidden=chosen.get(found.stem, found.path) != found.path,
        )
        for found, origin in finds.adverts
    )


def _choose(copies: Sequence[_Copy], finds: _Finds) -> str:
    """The path of the copy that counts: of the first place; in it, what was written last.

    One without a header is a leftover, and counts only where there is no other.
    """
    written = {path: _written(path, header, finds) for _, path, header in copies}
    whole = [copy for copy in copies if written[copy[1]]] or list(copies)
    beside = [path for place, path, _ in whole if place == whole[0][0]]
    chosen = min(beside, key=lambda path: (-written[path], path))
    for path in beside:
        if path != chosen:
            name, better = os.path.basename(path), os.path.basename(chosen)
            told = f"{name} is a second copy beside {better}, which was written last and counts."
            finds.problems.append(Problem("two_copies", told, path, None, stem(name)))
    return chosen


def _written(path: str, header: bytes | None, finds: _Finds) -> int:
    """When a copy was written, in ns; 0 where it has no header, and so is no distribution."""
    if header is not None:
        return 1 if header else 0
    marks = [mark(f"{path}/{name}") for name in _HEADERS]
    # distutils left a single file where others leave a folder.
    marks += [] if os.path.isdir(path) else [mark(path)]
    finds.files.extend(marks)
    return max(each[3] for each in marks)
