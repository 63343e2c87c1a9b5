"""Faults in the entry points of other groups: they trip other readers of metadata, never us."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from .entry_points import FILE
from .scan import GROUP, Problem, normalise, places

_LARGEST = 16 * 1024 * 1024


def faults(path: Sequence[str]) -> Iterator[Problem]:
    """Look through every ``entry_points.txt`` on a module search path for what cannot be parsed.

    importlib.metadata, and with it whoever uses it in this environment, raises at the first of
    these. Lines of the group ``jobreg.jobs`` are left to the scan.
    """
    for place, *_ in places(path):
        try:
            folders = sorted(os.listdir(place))
        except OSError:
            continue
        for folder in folders:
            if folder.endswith((".dist-info", ".egg-info")) and not folder.startswith("~"):
                yield from _in_file(os.path.join(place, folder, FILE), folder)


def _in_file(file: str, folder: str) -> Iterator[Problem]:
    if not os.path.isfile(file):  # to open a pipe waits for who writes; the scan tells of it
        return
    try:
        with open(file, "rb") as stream:
            lines = stream.read(_LARGEST).removeprefix(b"\xef\xbb\xbf").splitlines()
    except OSError:
        return
    dist = normalise(folder.rpartition(".")[0].partition("-")[0])
    yield from _in_lines(lines, file, dist)


def _in_lines(lines: Iterable[bytes], file: str, dist: str) -> Iterator[Problem]:
    group = b""
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line or line[:1] in (b"#", b";"):
            continue
        if line.startswith(b"[") and line.endswith(b"]"):
            group = line[1:-1].strip()
        elif group != GROUP.encode():
            try:
                text = line.decode()
            except UnicodeDecodeError:
                yield Problem("other_encoding", "The line is not UTF-8.", file, number, dist)
                continue
            if "=" not in text:
                message = f"{text[:200]!r} is not 'name = value'."
                yield Problem("other_line", message, file, number, dist)
