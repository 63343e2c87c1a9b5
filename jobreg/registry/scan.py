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
    HEADERS,
    JobRef,
    Problem,
    Source,
    identify,
    label_of,
    may_advertise,
    name_fault,
    normalise,
    read_source,
    stem,
    unreadable,
)
from .foreign import NO_FINDERS, Finders, Found, called, in_archive, in_finder, tolerant

__all__ = ["APPLICATION", "GROUP", "JobRef", "Problem", "Source", "name_fault", "normalise"]

LARGEST = 1024 * 1024
"""Bytes of an entry_points.txt beyond which it is not read; the largest known has 50 KiB."""

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


_Copy = tuple[str, str, str]
"""One metadata folder: the stem of its distribution, the place it was met in, its path."""


@frozen
class _Finds:
    """What a scan has gathered so far; ``met`` has every distribution, in the order of the path."""

    met: list[_Copy] = field(factory=list)
    adverts: dict[str, bytes] = field(factory=dict)
    headers: dict[str, bytes] = field(factory=dict)
    problems: list[Problem] = field(factory=list)
    files: list[Mark] = field(factory=list)
    quiet: list[Mark] = field(factory=list)


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


def scan(path: Sequence[str], finders: Finders = NO_FINDERS) -> Scan:
    """Read what is advertised on a module search path; never raises for what it finds there.

    Args:
        path: folders, zip files and eggs, as in ``sys.path``.
        finders: foreign finders to ask as well; see :func:`.foreign.foreign_finders`.
    """
    # Marked before it is read: what changes meanwhile is noticed at the next look.
    marks = places(path)
    finds = _Finds()
    _ask(finders.before, path, finds)
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
    _ask(finders.after, path, finds)
    sources = _sources(finds)
    return Scan(sources, tuple(finds.problems), marks, tuple(finds.files), tuple(finds.quiet))


def _ask(finders: Sequence[Any], path: Sequence[str], finds: _Finds) -> None:
    for finder in finders:
        _take(tolerant(in_finder(finder, path), called(finder)), called(finder), finds)


def _take(looks: Iterable[Found | Problem], place: str, finds: _Finds) -> None:
    """Take what importlib_metadata or a finder gave."""
    for each in looks:
        if isinstance(each, Problem):
            finds.problems.append(each)
            continue
        finds.met.append((each.stem, place, each.path))
        finds.headers.setdefault(each.path, each.header)
        if may_advertise(each.data):
            finds.adverts.setdefault(each.path, each.data)


def _scan_folder(place: str, names: Iterable[str], finds: _Finds) -> None:
    """Read what lies in one folder. Its loop is what finding jobs costs: each step counts."""
    egg = os.path.basename(place) if place.lower().endswith(".egg") else None
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
        finds.met.append((known_as, place, path))
        data = _look_at(f"{path}/{FILE}", known_as, finds)
        if data:
            finds.adverts.setdefault(path, data)


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
        data = os.read(number, about.st_size + 1)
        while 0 < len(data) < about.st_size and (more := os.read(number, about.st_size)):
            data += more  # a file system need not give all at once
        return data
    finally:
        os.close(number)


def _trouble(file: str, error: OSError, dist: str | None) -> Problem:
    if error.errno == errno.EFBIG:
        return Problem("too_large", f"It is not read: {error.strerror}.", file, None, dist)
    return unreadable(file, error, dist)


def _header(path: str, finds: _Finds) -> bytes:
    """The beginning of what says name and version; empty where there is none."""
    known = finds.headers.get(path)
    if known is None:
        known = finds.headers[path] = _read_header(path, finds)
    return known


def _read_header(path: str, finds: _Finds) -> bytes:
    for name in HEADERS:
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
    finds.files.append((f"{path}/{HEADERS[0]}", 0, 0, 0))
    return b""


def _sources(finds: _Finds) -> tuple[Source, ...]:
    """Parse what was found, once it is known which copy of each distribution counts."""
    copies = _copies(finds)
    chosen = {_choose(dist, found, finds) for dist, found in copies.items()}
    origins = {path: place for found in copies.values() for place, path in found}
    return tuple(
        read_source(
            finds.adverts[path],
            _header(path, finds),
            path=path,
            origin=origins[path],
            hidden=path not in chosen,
        )
        for path in sorted(finds.adverts)
    )


def _copies(finds: _Finds) -> dict[str, list[tuple[str, str]]]:
    """Place and path of each copy of those that advertise jobs, by the name of the distribution.

    Who may be a copy is guessed by the names of the folders; who is one, their headers say.
    """
    stems = {found for found, _, path in finds.met if path in finds.adverts}
    found: dict[str, list[tuple[str, str]]] = {}
    for known_as, place, path in finds.met:
        if known_as in stems:
            dist, _ = identify(_header(path, finds), label_of(path))
            copies = found.setdefault(dist, [])
            if (place, path) not in copies:
                copies.append((place, path))
    return found


def _choose(dist: str, copies: Sequence[tuple[str, str]], finds: _Finds) -> str:
    """The path of the copy that counts: of the first place; in it, what was written last.

    One without a header is a leftover, and counts only where there is no other.
    """
    if len(copies) == 1:
        return copies[0][1]
    written = {path: _written(path, finds) for _, path in copies}
    whole = [copy for copy in copies if written[copy[1]]] or list(copies)
    beside = [path for place, path in whole if place == whole[0][0]]
    chosen = min(beside, key=lambda path: (-written[path], path))
    for path in beside:
        if path != chosen:
            name, better = os.path.basename(path), os.path.basename(chosen)
            told = f"{name} is a second copy beside {better}, which was written last and counts."
            finds.problems.append(Problem("two_copies", told, path, None, dist))
    return chosen


def _written(path: str, finds: _Finds) -> int:
    """When a copy was written, in ns; 0 where it has no header, and so is no distribution."""
    marks = [mark(f"{path}/{name}") for name in HEADERS]
    # distutils left a single file where others leave a folder.
    marks += [] if os.path.isdir(path) else [mark(path)]
    finds.files.extend(marks)
    return max(each[3] for each in marks) or bool(finds.headers[path])
