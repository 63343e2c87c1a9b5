"""Finds the jobs that installed distributions advertise, by reading their metadata only.

A scan of our own, because discovery must cost little (importing the standard library's
importlib.metadata alone takes 40 ms) and must never raise: there, one malformed line or stray
byte in *any* installed distribution is an exception for everyone.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from attrs import field, frozen

GROUP = "jobreg.jobs"
APPLICATION = "application"
"""Provider of the functions an application adds itself; it has no version."""

_ENTRY_POINTS = "entry_points.txt"
_HEADERS = ("METADATA", "PKG-INFO")
_EGG = "EGG-INFO"
# They look into the folders and zip files of the path, as we do.
_KNOWN_FINDERS = ("_frozen_importlib_external", "importlib", "importlib_metadata")
_HEADER_BYTES = 16384
_NAME = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*", re.ASCII)
_SEPARATORS = re.compile(r"[-_.]+")
_LONGEST_NAME = 128

Mark = tuple[str, int, int, int]
"""A path with device, inode and mtime in ns; zeros where there is nothing."""


@frozen
class JobRef:
    """Where one job is: its name, what it points to, and who advertises it.

    ``dist`` is the normalised name of the distribution, ``metadata_path`` its metadata folder,
    ``origin`` the place that folder lies in.
    """

    name: str
    module: str
    attr: str
    dist: str
    version: str
    metadata_path: str
    origin: str

    @property
    def target(self) -> str:
        """What the name points to, as ``module:attr``."""
        return f"{self.module}:{self.attr}" if self.attr else self.module

    @property
    def provider(self) -> str:
        """Who advertises it, for people: distribution and version."""
        return f"{self.dist} {self.version}".rstrip()


@frozen
class Problem:
    """A mistake in somebody's metadata; it costs that line, file or folder and nothing else."""

    code: str
    message: str
    file: str
    line: int | None = None
    dist: str | None = None
    name: str | None = None


@frozen
class Source:
    """All that one distribution advertises. ``hidden``: an earlier place has that distribution."""

    dist: str
    hidden: bool
    jobs: tuple[JobRef, ...]
    invalid: tuple[JobRef, ...]
    problems: tuple[Problem, ...]


@frozen
class Scan:
    """What was found on a path, in its order, and the marks by which a change is noticed."""

    sources: tuple[Source, ...]
    problems: tuple[Problem, ...]
    places: tuple[Mark, ...]
    files: tuple[Mark, ...]


class _BadLineError(Exception):
    """A line that advertises no job, and why."""

    def __init__(self, code: str, message: str, name: str = "", target: str = "") -> None:
        super().__init__(message)
        self.code, self.name, self.target = code, name, target


@frozen
class _Finds:
    """What a scan has gathered so far."""

    sources: list[Source] = field(factory=list)
    problems: list[Problem] = field(factory=list)
    files: list[Mark] = field(factory=list)
    seen: set[str] = field(factory=set)


def name_fault(name: str) -> str | None:
    """Say what is wrong with a job name; None when it is good."""
    if isinstance(name, str) and len(name) <= _LONGEST_NAME and _NAME.fullmatch(name):
        return None
    return (
        f"{str(name)[:_LONGEST_NAME]!r} is not a job name: words of a-z, 0-9 and '_', "
        f"joined by dots, at most {_LONGEST_NAME} characters, such as 'reports.render'."
    )


def normalise(dist: str) -> str:
    """The one spelling of a distribution's name (PEP 503)."""
    return _SEPARATORS.sub("-", dist).strip().lower()


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


def scan(path: Sequence[str], finders: Iterable[object] = ()) -> Scan:
    """Read what is advertised on a module search path; never raises for what it finds there.

    ``finders`` are asked as well: those on ``sys.meta_path`` that know distributions no folder
    holds (see :func:`foreign_finders`).
    """
    # Marked before it is read: what changes meanwhile is noticed at the next look.
    marks = places(path)
    finds = _Finds()
    for place, *_ in marks:
        try:
            with os.scandir(place) as entries:
                folders = [each.name for each in entries if _is_metadata(each.name)]
            if place.endswith(".egg"):
                folders.append(_EGG)
        except FileNotFoundError:
            continue
        except NotADirectoryError:
            _scan_archive(place, finds)
        except (OSError, ValueError) as error:
            finds.problems.append(_unreadable(place, error))
        else:
            _scan_folder(place, folders, finds)
    for finder in finders:
        _scan_foreign(finder, path, finds)
    return Scan(tuple(finds.sources), tuple(finds.problems), marks, tuple(finds.files))


def _is_metadata(name: str) -> bool:
    # pip renames what it is about to remove to "~..."; an interrupted pip leaves it behind.
    return name.endswith((".dist-info", ".egg-info")) and name[0] != "~"


def foreign_finders() -> tuple[object, ...]:
    """The finders of this process that may know distributions which lie in no folder."""
    return tuple(
        finder for finder in sys.meta_path
        if hasattr(finder, "find_distributions")
        and getattr(finder, "__module__", "").partition(".")[0] not in _KNOWN_FINDERS
    )  # fmt: skip


def _scan_folder(place: str, folders: list[str], finds: _Finds) -> None:
    earlier = set(finds.seen)
    found: list[tuple[Mark, str, bytes]] = []
    for folder in folders:
        path = f"{place}/{folder}"
        finds.seen.add(normalise(_name_in(os.path.basename(place) if folder == _EGG else folder)))
        file = f"{path}/{_ENTRY_POINTS}"
        try:
            data = _read(file)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            finds.problems.append(_unreadable(file, error, normalise(_name_in(folder))))
            continue
        if GROUP.encode() in data:
            found.append((mark(file), path, data))
    # Two versions of one distribution in one folder (a broken upgrade): the newest wins.
    for file_mark, path, data in sorted(found, key=lambda each: (-each[0][3], each[1])):
        header_file, header = _read_header(path)
        finds.files.extend((file_mark, mark(header_file)))
        _add_source(path, place, data, header, earlier, finds)


def _read(file: str) -> bytes:
    """Read a file whole, at half of what open() costs; it adds up over all distributions."""
    number = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(number, 65536):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(number)


def _scan_archive(place: str, finds: _Finds) -> None:
    """Look into a zip file on the path; only importlib_metadata can, and only then is it paid."""
    try:
        from importlib_metadata import distributions

        _add_distributions(distributions(path=[place]), place, finds)
    except Exception as error:  # a foreign archive, read by foreign code
        finds.problems.append(_unreadable(place, error))


def _scan_foreign(finder: Any, path: Sequence[str], finds: _Finds) -> None:
    """Ask a finder of somebody else's for its distributions."""
    place = f"<{type(finder).__name__ if not isinstance(finder, type) else finder.__name__}>"
    try:
        from importlib_metadata import DistributionFinder

        context: Any = DistributionFinder.Context(path=list(path))  # type: ignore[no-untyped-call]
        _add_distributions(finder.find_distributions(context), place, finds)
    except Exception as error:  # foreign code may do anything
        finds.problems.append(_unreadable(place, error))


def _add_distributions(found: Iterable[Any], place: str, finds: _Finds) -> None:
    earlier = set(finds.seen)
    for dist in found:
        path = str(getattr(dist, "_path", place))
        try:
            header = dist.read_text("METADATA") or dist.read_text("PKG-INFO") or ""
            text = dist.read_text(_ENTRY_POINTS) or ""
        except Exception as error:  # not UTF-8, or damaged: it costs that distribution only
            finds.problems.append(_unreadable(path, error))
            continue
        finds.seen.add(_identify(header, os.path.basename(path))[0])
        if GROUP in text:
            data = text.encode("utf-8", "surrogatepass")
            _add_source(path, place, data, header, earlier, finds)


def _read_header(path: str) -> tuple[str, str]:
    for name in _HEADERS:
        file = os.path.join(path, name)
        try:
            with open(file, "rb") as stream:
                return file, stream.read(_HEADER_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
    return os.path.join(path, _HEADERS[0]), ""


def _name_in(folder: str) -> str:
    return folder.rpartition(".")[0].partition("-")[0]


def _identify(header: str, folder: str) -> tuple[str, str]:
    """Name and version by the header of the metadata, else by the name of its folder."""
    facts: dict[str, str] = {}
    for line in header.lstrip("\ufeff").splitlines():
        if not line.strip():
            break
        key, _, value = line.partition(":")
        facts.setdefault(key.strip().lower(), value.strip())
    parts = folder.rpartition(".")[0].split("-")
    name = facts.get("name") or parts[0]
    return normalise(name), facts.get("version") or (parts[1] if len(parts) > 1 else "")


def _add_source(
    path: str, origin: str, data: bytes, header: str, earlier: set[str], finds: _Finds
) -> None:
    folder = os.path.basename(path)
    dist, version = _identify(header, os.path.basename(origin) if folder == _EGG else folder)
    jobs: dict[str, JobRef] = {}
    invalid: list[JobRef] = []
    problems: list[Problem] = []
    file = os.path.join(path, _ENTRY_POINTS)
    for number, line in _lines_of_group(data):
        try:
            name, module, attr = _parse(line)
            if name in jobs:
                message = f"{name!r} is advertised twice; the first one counts."
                raise _BadLineError("duplicate", message, name)
        except _BadLineError as bad:
            known = bad.name or None
            problems.append(Problem(bad.code, str(bad), file, number, dist, known))
            if bad.name and bad.target:
                module, _, attr = bad.target.partition(":")
                invalid.append(JobRef(bad.name, module, attr, dist, version, path, origin))
        else:
            jobs[name] = JobRef(name, module, attr, dist, version, path, origin)
    refs = tuple(jobs.values()), tuple(invalid)
    finds.sources.append(Source(dist, dist in earlier, *refs, tuple(problems)))
    earlier.add(dist)


def _lines_of_group(data: bytes) -> Iterator[tuple[int, bytes]]:
    ours = False
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        line = raw.strip()
        if line.startswith(b"[") and line.endswith(b"]"):
            ours = line[1:-1].strip() == GROUP.encode()
        elif ours and line and line[:1] not in (b"#", b";"):
            yield number, line


def _parse(line: bytes) -> tuple[str, str, str]:
    """Split ``name = module:attr``, or say what is wrong with it."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise _BadLineError("bad_encoding", "The line is not UTF-8.") from None
    name, equals, target = (part.strip() for part in text.partition("="))
    if not (equals and name and target):
        raise _BadLineError("bad_line", f"{text[:200]!r} is not 'name = module:function'.")
    fault = name_fault(name)
    if fault:
        raise _BadLineError("bad_name", fault, name, target)
    if target.endswith("]"):
        message = f"{target[:200]!r} asks for extras, which a job cannot; name the function only."
        raise _BadLineError("extras", message, name, target)
    module, _, attr = (part.strip() for part in target.partition(":"))
    if not all(part.isidentifier() for part in f"{module}.{attr}".split(".")):
        message = f"{target[:200]!r} is not 'module:function'."
        raise _BadLineError("bad_target", message, name, target)
    return name, module, attr


def _unreadable(file: str, error: Exception, dist: str | None = None) -> Problem:
    why = getattr(error, "strerror", None) or type(error).__name__
    return Problem("unreadable", f"It cannot be read: {why}.", file, None, dist)
