"""The job ``reports.profile``: what kinds of lines a text or log file holds."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from acme_reports.progress import report_progress
from jobreg import job

KINDS = ("blank", "comment", "debug", "info", "warning", "error", "traceback", "other")

# A line is read up to this length; what follows still belongs to the same line. So a file
# without a single line break takes no more memory than any other.
LONGEST_PIECE = 64 * 1024

_KIND_OF_LEVEL = {
    b"TRACE": "debug",
    b"DEBUG": "debug",
    b"INFO": "info",
    b"NOTICE": "info",
    b"WARN": "warning",
    b"WARNING": "warning",
    b"ERROR": "error",
    b"SEVERE": "error",
    b"CRITICAL": "error",
    b"FATAL": "error",
}
_WORDS = b"|".join(_KIND_OF_LEVEL)
# A level in capitals counts anywhere, one in small letters only where loggers put it, because
# "an error in the text" is prose:  [error]  level=error  "level": "error"  error: at the start
_LEVEL = re.compile(
    rb"\b(" + _WORDS + rb")\b"
    rb"|(?:\[|\blevel[\"']?[=:]\s?[\"']?)((?i:" + _WORDS + rb"))\b"
    rb"|^((?i:" + _WORDS + rb")):"
)
_COMMENT = (b"#", b"//", b";")
_TRACEBACK = b"Traceback (most recent call last)"


@job(max_attempts=3, timeout="1h")
def count_lines(path: str) -> dict[str, object]:
    """Count the lines of a text or log file by kind, whatever its size and encoding.

    ``path`` is the file. A line is of one kind: ``blank``; ``traceback`` (from Python's
    "Traceback" line to the line that names the exception); ``comment`` (begins with ``#``,
    ``//`` or ``;``); ``debug``, ``info``, ``warning``, ``error`` (its first log level, among
    the first 200 bytes); ``other``. Returns the path, ``bytes``, ``lines`` and ``kinds``,
    as version 1.0 does: who reads a result need not know which version made it.
    """
    source = Path(path).expanduser().resolve()
    if not source.is_file():
        raise FileNotFoundError(f"There is no file {source}. Give the path of a text file.")
    total = source.stat().st_size
    kinds = dict.fromkeys(KINDS, 0)
    done = 0
    in_traceback = False
    with source.open("rb") as file:
        for line, size in _lines(file):
            kind, in_traceback = _kind(line, in_traceback)
            kinds[kind] += 1
            if done * 100 // (total + 1) != (done + size) * 100 // (total + 1):
                report_progress(done + size, max(total, done + size), "reading")
            done += size
    report_progress(done, done, "read")
    return {
        "path": str(source),
        "bytes": done,
        "lines": sum(kinds.values()),
        "kinds": kinds,
    }


def _lines(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Give each line's beginning and the line's full size in bytes."""
    while line := file.readline(LONGEST_PIECE):
        size = len(line)
        piece = line
        while not piece.endswith(b"\n") and (piece := file.readline(LONGEST_PIECE)):
            size += len(piece)
        yield line, size


def _kind(line: bytes, in_traceback: bool) -> tuple[str, bool]:
    """Tell a line's kind, and whether the next line may belong to a traceback."""
    text = line.strip()
    if not text:
        return "blank", in_traceback
    if _TRACEBACK in line:
        return "traceback", True
    if in_traceback:
        # The frames are indented; the first line that is not names the exception and is the last.
        return "traceback", line[:1].isspace()
    if text.startswith(_COMMENT):
        return "comment", False
    if found := _LEVEL.search(text, 0, 200):
        return _KIND_OF_LEVEL[found[found.lastindex or 0].upper()], False
    return "other", False
