"""What the command line prints: JSON for programs, tables for people, nothing that can harm."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import click

from ..legible import amount as amount, safe as safe, span as span

DEFAULT_WIDTH = 80
_GAP = "  "
_NARROWEST = 6
_NO_WIDTH = ("Mn", "Me", "Cf")

_COLOURS = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "dim": "2", "bold": "1"}


@contextmanager
def plugins_on_stderr() -> Iterator[None]:
    """What plugins print while they are imported goes to stderr, under their job's name."""
    from ..events import listen

    def pass_on(event: str, facts: dict[str, object]) -> None:
        if event == "child.output":
            click.echo(safe(f"{facts['job_name']}: {facts['text']}"), err=True)

    stop_listening = listen(pass_on)
    try:
        yield
    finally:
        stop_listening()


@contextmanager
def progress(*, shown: bool = True) -> Iterator[Callable[[str], None]]:
    """Gives what tells how far a long command is, on one line of a terminal, gone at the end."""
    live = shown and sys.stderr.isatty()

    def tell(text: str) -> None:
        if live:
            print(f"\r{text:<70}", end="", file=sys.stderr, flush=True)

    try:
        yield tell
    finally:
        if live:
            print(f"\r{'':<70}\r", end="", file=sys.stderr, flush=True)


def print_json(value: object) -> None:
    """Print a value as JSON on stdout; ASCII, so no character of it can act on a terminal."""
    import json

    print(json.dumps(value, indent=2, ensure_ascii=True))


def has_colour() -> bool:
    """True where stdout is a terminal that has colours and NO_COLOR is not set (no-color.org)."""
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def paint(text: str, colour: str | None) -> str:
    """Colour a text, where colours are shown: red, green, yellow, blue, dim or bold."""
    if not colour or not has_colour():
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def width() -> int:
    """Columns to fill: as COLUMNS says, else those of the terminal, else 80."""
    told = os.environ.get("COLUMNS", "")
    if re.fullmatch("[1-9][0-9]{0,4}", told):
        return int(told)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or DEFAULT_WIDTH
    except (OSError, ValueError, AttributeError):  # not a terminal, or not a file at all
        return DEFAULT_WIDTH


def table(
    rows: Iterable[Sequence[object]],
    headers: Sequence[str],
    *,
    colours: Mapping[str, str] | None = None,
    keep: Collection[str] = (),
) -> None:
    """Print rows under their headers, cut to the width there is.

    ``colours`` maps the text of a cell to its colour, such as ``{"failed": "red"}``; the columns
    under the headers in ``keep`` are never cut, because people copy what stands there.
    """
    room = width()
    kept = {index for index, header in enumerate(headers) if header in keep}
    texts = []
    for row in rows:
        cells = [safe("" if cell is None else cell) for cell in row]
        # No cell can be wider than the table; a long one must not cost its length in steps.
        texts.append([each if at in kept else cut(each, room) for at, each in enumerate(cells)])
    sizes = _fit([list(headers), *texts], room, kept)
    _print_row(headers, sizes, ["bold"] * len(headers))
    for row in texts:
        _print_row(row, sizes, [(colours or {}).get(cell) for cell in row])


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Print facts one under the other, uncut; those that are None are left out."""
    told = [(name, safe(value)) for name, value in pairs if value is not None]
    longest = max((len(name) for name, _ in told), default=0)
    for name, value in told:
        print(f"{paint(name.ljust(longest), 'bold')}{_GAP}{value}".rstrip())


def faults(meanings: Mapping[str, str], found: Mapping[str, Sequence[str]]) -> None:
    """Print how many runs have each fault that there may be, and the first of them."""
    rows = ((name, len(found[name]), means) for name, means in meanings.items())
    table(rows, ("FAULT", "RUNS", "MEANING"))
    for name, run_ids in found.items():
        for run_id in run_ids[:5]:
            print(f"{name}: {run_id}")


def _print_row(row: Sequence[str], sizes: Sequence[int], colours: Sequence[str | None]) -> None:
    cells = []
    for text, size, colour in zip(row, sizes, colours, strict=True):
        shown = cut(text, size)
        cells.append(paint(shown, colour) + " " * (size - _columns(shown)))
    print(_GAP.join(cells).rstrip())


def _fit(rows: Sequence[Sequence[str]], room: int, kept: Collection[int]) -> list[int]:
    """Sizes for the columns; the widest of those not kept give way until all fit."""
    sizes = [max(_columns(text) for text in column) for column in zip(*rows, strict=True)]
    over = sum(sizes) + len(_GAP) * (len(sizes) - 1) - room
    for _ in range(over):
        free = [index for index in range(len(sizes)) if index not in kept]
        widest = max(free, key=sizes.__getitem__, default=None)
        if widest is None or sizes[widest] <= _NARROWEST:
            break
        sizes[widest] -= 1
    return sizes


def cut(text: str, size: int) -> str:
    """Cut a text to a number of columns, and show that it was cut."""
    if _columns(text) <= size:
        return text
    dots = _ellipsis()
    shown = text[: max(0, size - len(dots))]
    while _columns(shown) > size - len(dots):
        shown = shown[:-1]
    return shown + dots


def _ellipsis() -> str:
    try:
        "…".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "..."
    return "…"


def _columns(text: str) -> int:
    """Columns a text takes on a terminal: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(
        0 if category(each) in _NO_WIDTH else 2 if east_asian_width(each) in "WF" else 1
        for each in text
    )
