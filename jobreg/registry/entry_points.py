"""Reads what one distribution advertises: the lines of its entry_points.txt, each for itself."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from attrs import field, frozen

GROUP = "jobreg.jobs"
APPLICATION = "application"
"""Provider of the functions an application adds itself; it has no version."""

FILE = "entry_points.txt"
HEADERS = ("METADATA", "PKG-INFO")
"""Of these files the first that is there says name and version."""

_GROUP = GROUP.encode()
_NAME = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*", re.ASCII)
_SEPARATORS = re.compile(r"[-_.]+")
_VERSIONED = re.compile(r"(.+?)-(\d.*)")
_LONGEST_NAME = 128
LONGEST_DIST, LONGEST_VERSION = 256, 128
"""Characters of a distribution's name and version; the columns of the store are made for them."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SHOWN = 200
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@frozen
class JobRef:
    """Where one job is: its name, what it points to, and who advertises it.

    ``dist`` is the normalised name of the distribution, ``metadata_path`` its metadata folder
    (which can lie in a zip file), ``origin`` the entry of the path that this was found by, or the
    finder that offered it.
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
    """A mistake in somebody's metadata; it costs that line, file or folder and nothing else.

    ``code`` is one of those in docs/reference/cli.md and never changes its meaning.
    """

    code: str
    message: str
    file: str
    line: int | None = None
    dist: str | None = None
    name: str | None = None


@frozen
class Source:
    """All that one distribution advertises. ``hidden``: another copy of it counts instead."""

    dist: str
    hidden: bool
    jobs: tuple[JobRef, ...]
    invalid: tuple[JobRef, ...]
    problems: tuple[Problem, ...]


class _BadLineError(Exception):
    """A line that advertises no job, and why."""

    def __init__(self, code: str, message: str, name: str = "", target: str = "") -> None:
        super().__init__(message)
        self.code, self.name, self.target = code, name, target


@frozen
class _Lines:
    """What the lines read so far have given."""

    jobs: dict[str, JobRef] = field(factory=dict)
    invalid: list[JobRef] = field(factory=list)
    problems: list[Problem] = field(factory=list)


def name_fault(name: str) -> str | None:
    """Say what is wrong with a job name; None when it is good."""
    if isinstance(name, str) and len(name) <= _LONGEST_NAME and _NAME.fullmatch(name):
        return None
    return (
        f"{str(name)[:_LONGEST_NAME]!r} is not a job name: words of a-z, 0-9 and '_', "
        f"joined by dots, at most {_LONGEST_NAME} characters, such as 'reports.render'."
    )


def _provider_fault(dist: str, version: str) -> str | None:
    """Say what is wrong with a distribution's name or version; None when both are good.

    Databases hold neither longer ones nor null bytes, and no tool that builds writes such. What
    an application adds is its own under every name, which a distribution called like it is not.
    """
    if dist == APPLICATION:
        return f"The name {dist!r} is kept for the functions that an application adds itself."
    for kind, text, most in (("name", dist, LONGEST_DIST), ("version", version, LONGEST_VERSION)):
        if len(text) > most:
            return f"The {kind} {text[:_SHOWN]!r}... has {len(text)} characters, over {most}."
        if _CONTROL.search(text):
            return f"The {kind} {text[:_SHOWN]!r} has control characters."
    return None


def normalise(dist: str) -> str:
    """The one spelling of a distribution's name (PEP 503)."""
    return _SEPARATORS.sub("-", dist).strip().lower()


def label_of(path: str) -> str:
    """The name by which a metadata folder tells its distribution: its own, or that of its egg."""
    folder, _, label = path.rpartition("/")
    return os.path.basename(folder) if label.lower() == "egg-info" else label


def split(label: str) -> tuple[str, str]:
    """Name and version by a label such as ``acme_reports-2.1.0.dist-info``."""
    bare = label.rpartition(".")[0]
    if not bare.isascii():  # what no file may be called in UTF-8 can be neither stored nor printed
        bare = bare.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    name, _, version = bare.partition("-")
    if version and not version[0].isdigit():  # a name that was not escaped as it should be
        parts = _VERSIONED.match(bare)
        name, version = parts.groups() if parts else (bare, "")
    return name, version.partition("-")[0]


def stem(label: str) -> str:
    """The normalised name by a label; for most by the short way, as every look asks hundreds."""
    name = split(label)[0]
    if name.isidentifier() and "__" not in name:
        return name.lower().replace("_", "-")
    return normalise(name)


def unreadable(file: str, error: Exception, dist: str | None = None) -> Problem:
    """Say that and why something could not be read."""
    why = getattr(error, "strerror", None) or type(error).__name__
    return Problem("unreadable", f"It cannot be read: {why}.", file, None, dist)


def may_advertise(data: bytes) -> bool:
    """Is our group anywhere in a file? Most files are done with this."""
    return _GROUP in data or (data[:2] in _UTF16 and _GROUP in data.replace(b"\0", b""))


def read_source(
    data: bytes, header: bytes, *, path: str, origin: str, hidden: bool = False
) -> Source:
    """Read what one distribution advertises; never raises for what is in it.

    Args:
        data: its entry_points.txt, whole.
        header: the beginning of its METADATA or PKG-INFO, which says name and version; else the
            name of the metadata folder says them.
        path: where the metadata lies.
        origin: by which entry of the path it was found.
        hidden: whether another copy of the distribution counts instead.
    """
    dist, version = identify(header, label_of(path))
    file = os.path.join(path, FILE)
    found = _Lines()
    unfit = _provider_fault(dist, version)
    if unfit:
        told = f"{unfit} None of its jobs is run."
        found.problems.append(Problem("bad_provider", told, file, None, dist))
    for number, line in _lines_of_group(data):
        try:
            name, module, attr = _parse(line)
            _refuse_second(found.jobs.get(name), module, attr)
        except _BadLineError as bad:
            known = bad.name or None
            found.problems.append(Problem(bad.code, str(bad), file, number, dist, known))
            if bad.name and bad.target:
                module, _, attr = bad.target.partition(":")
                found.invalid.append(JobRef(bad.name, module, attr, dist, version, path, origin))
        else:
            found.jobs[name] = JobRef(name, module, attr, dist, version, path, origin)
    jobs, invalid = tuple(found.jobs.values()), tuple(found.invalid)
    if unfit:
        jobs, invalid = (), (*jobs, *invalid)
    return Source(dist, hidden, jobs, invalid, tuple(found.problems))


def identify(header: bytes, label: str) -> tuple[str, str]:
    """Name and version by the header of the metadata, else by the name of its folder."""
    facts: dict[bytes, str] = {}
    for line in header.removeprefix(b"\xef\xbb\xbf").splitlines():
        key, _, value = line.partition(b":")
        if not line.strip() or len(facts) == 2:
            break
        key = key.strip().lower()
        if key in (b"name", b"version"):
            facts.setdefault(key, value.strip().decode("utf-8", "replace"))
    name, version = split(label)
    return normalise(facts.get(b"name") or name), facts.get(b"version") or version


def _lines_of_group(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number the lines of our group, and those that may have been meant to open it."""
    ours, utf16 = False, data[:2] in _UTF16
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        line = raw.strip()
        if line.startswith(b"["):
            closed = line.endswith(b"]")
            if not closed and (ours or _GROUP in line):
                yield number, line
            ours = closed and line[1:-1].strip() == _GROUP
        elif (ours and line and line[:1] not in (b"#", b";")) or (utf16 and number == 1):
            yield number, line


def _parse(line: bytes) -> tuple[str, str, str]:
    """Split ``name = module:attr``, or say what is wrong with it."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise _BadLineError("bad_encoding", "The line is not UTF-8.") from None
    if text.startswith("["):
        message = f"{text[:_SHOWN]!r} opens no group; write '[{GROUP}]' on a line of its own."
        raise _BadLineError("bad_group", message)
    name, equals, target = (part.strip() for part in text.partition("="))
    if not (equals and name and target):
        raise _BadLineError("bad_line", f"{text[:_SHOWN]!r} is not 'name = module:function'.")
    fault = name_fault(name)
    if fault:
        raise _BadLineError("bad_name", fault, name, target)
    if target.endswith("]"):
        message = (
            f"{target[:_SHOWN]!r} asks for extras, which a job cannot; name the function only."
        )
        raise _BadLineError("extras", message, name, target)
    module, _, attr = (part.strip() for part in target.partition(":"))
    if not all(part.isidentifier() for part in f"{module}.{attr}".split(".")):
        message = f"{target[:_SHOWN]!r} is not 'module:function'."
        raise _BadLineError("bad_target", message, name, target)
    return name, module, attr


def _refuse_second(first: JobRef | None, module: str, attr: str) -> None:
    """The first line of a name counts, in every process; the second is told, not obeyed."""
    if first is None:
        return
    message = f"{first.name!r} is advertised twice; the first one counts."
    if (module, attr) != (first.module, first.attr):
        other = f"{module}:{attr}"[:_SHOWN]
        message = f"{first.name!r} is advertised twice; the first one counts, not {other!r}."
    raise _BadLineError("duplicate", message, first.name)
