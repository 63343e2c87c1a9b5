"""Reading a CSV file of any header, and finding out which columns are numbers or dates."""

import csv
import io
import math
import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Literal

PREVIEW_ROWS = 10
DELIMITERS = ",;\t|"
BLANK = {"", "-", "n/a", "na", "nan", "null", "none"}

_PLAIN = re.compile(r"[+-]?(?:0|[1-9][0-9]*)?(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:[,'\u2019 \u00a0\u202f][0-9]{3})+(?:\.[0-9]+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]{1,3}(?:[. \u00a0\u202f]?[0-9]{3})*,[0-9]+")
# Years from 1000 to 2999: 9999-12-31 says "never", and would squeeze the chart.
_DATE = re.compile(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}(?:[T ]|$)")

Kind = Literal["number", "date", "text", "blank"]
Figures = dict[str, int | float]


class BadCsv(ValueError):
    """The file is not a CSV file this package can read; the message says why."""


@dataclass
class Column:
    """One column: its name, what its cells are, and their values unless they are text.

    A number stands as itself, a date as its day number (with the time as a fraction), a blank
    as NaN.
    """

    name: str
    kind: Kind = "blank"
    # In quotes, as Python 3.11 cannot evaluate array[float].
    values: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, cell: str) -> None:
        """Take in the next row's cell; one unlike the others makes the column text."""
        if self.kind == "text":
            return
        kind, value = read_cell(cell)
        if "blank" not in (kind, self.kind) and kind != self.kind:
            kind = "text"
        if kind != "blank":
            self.kind = kind
        if kind == "text":
            self.values = array("d")
        else:
            self.values.append(value)

    def known(self) -> list[float]:
        """Return the values without the blanks."""
        return [value for value in self.values if not math.isnan(value)]

    def summary(self) -> Figures:
        """Return the figures of a numeric column: count, missing, min, median, mean, max, sum."""
        known = self.known()
        total = math.fsum(known)
        return {
            "count": len(known),
            "missing": len(self.values) - len(known),
            "min": _plain(min(known)),
            "median": _plain(median(known)),
            "mean": _plain(total / len(known)),
            "max": _plain(max(known)),
            "sum": _plain(total),
        }


@dataclass
class Table:
    """What was found in a CSV file: all columns, the first rows, and how many rows there are."""

    columns: list[Column]
    preview: list[list[str]] = field(default_factory=list)
    rows: int = 0

    def add(self, row: list[str]) -> None:
        """Take in a row; cells it lacks are blank, cells beyond the header are left out."""
        cells = [row[i].strip() if i < len(row) else "" for i in range(len(self.columns))]
        for column, cell in zip(self.columns, cells, strict=True):
            column.add(cell)
        if len(self.preview) < PREVIEW_ROWS:
            self.preview.append(cells)
        self.rows += 1

    def of_kind(self, kind: Kind) -> list[Column]:
        """Return the columns of one kind, in the order of the header."""
        return [column for column in self.columns if column.kind == kind]


def read_table(path: Path, on_progress: Callable[[int, int, str], None]) -> Table:
    """Read the CSV file at ``path``, telling ``on_progress`` how many rows are read.

    Raises FileNotFoundError without a file, and BadCsv for one that is empty, has no header or
    is not CSV.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}. Give the path of a CSV file.")
    total = _count_lines(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = _rows(file)
            header = next(rows, None)
            if header is None:
                raise BadCsv(f"{path} is empty. Its first line must name the columns.")
            table = Table([Column(name) for name in _column_names(header, path)])
            for row in rows:
                table.add(row)
                if table.rows % (total // 100 + 1) == 0:
                    on_progress(table.rows, max(total, table.rows), "reading rows")
    except UnicodeDecodeError as error:
        raise BadCsv(f"{path} is not UTF-8 text ({error.reason}). Save it as UTF-8.") from error
    except csv.Error as error:
        raise BadCsv(f"{path} is not a CSV file: {error}. Is a quote left open?") from error
    on_progress(table.rows, table.rows, "read")
    return table


def read_cell(cell: str) -> tuple[Kind, float]:
    """Tell what a cell is, and its value (NaN for a blank one and for text)."""
    text = cell.strip()
    if text.lower() in BLANK:
        return "blank", math.nan
    if (number := parse_number(text)) is not None:
        return "number", number
    if (day := parse_date(text)) is not None:
        return "date", day
    return "text", math.nan


def parse_number(text: str) -> float | None:
    """Return the number a text stands for, or None.

    Understands ``1234.5``, ``1e6``, ``1,234.5``, ``1 234.5``, ``1'234.5``, ``1234,5`` and
    ``1.234,5``. A leading zero (``00123``) marks a code, not a number.
    """
    if _GROUPED.fullmatch(text):
        text = re.sub(r"[^0-9.+-]", "", text)
    elif _DECIMAL_COMMA.fullmatch(text):
        text = re.sub(r"[^0-9,+-]", "", text).replace(",", ".")
    elif not _PLAIN.fullmatch(text):
        return None
    try:
        number = float(text)
    except ValueError:  # a lone sign or point
        return None
    # Beyond any measured quantity, and sums of such numbers could overflow: rather a code.
    return number if abs(number) < 1e100 else None


def parse_date(text: str) -> float | None:
    """Return the day number of ``2024-05-01`` or ``2024-05-01T12:30``, or None."""
    if not _DATE.match(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.toordinal() + (moment.hour * 60 + moment.minute) / (24 * 60)


def _plain(number: float) -> int | float:
    """Write 3, not 3.0, and 22.8, not the 22.799999999999997 of binary arithmetic."""
    if number.is_integer():
        return int(number) if abs(number) < 2**53 else number
    return float(f"{number:.14g}")


def _rows(file: io.TextIOWrapper) -> Iterator[list[str]]:
    """Give the rows that are not blank, cut at the delimiter this file seems to use."""
    sample = file.read(64 * 1024)
    file.seek(0)
    for row in csv.reader(file, delimiter=_find_delimiter(sample)):
        if any(cell.strip() for cell in row):
            yield row


def _find_delimiter(sample: str) -> str:
    """Return the delimiter that cuts most of the first rows as wide as the header."""

    def score(delimiter: str) -> tuple[int, int]:
        rows = csv.reader(io.StringIO(sample), delimiter=delimiter)
        widths = [len(row) for row in islice(rows, 20) if row]
        if not widths or widths[0] == 1:
            return (0, 0)
        return (widths.count(widths[0]), widths[0])

    return max(DELIMITERS, key=score)


def _column_names(header: list[str], path: Path) -> list[str]:
    """Return the header's names, each non-empty and unlike the others."""
    if all(read_cell(cell)[0] in ("number", "blank") for cell in header):
        raise BadCsv(f"{path} has no header: its first line holds only numbers. Name the columns.")
    names: list[str] = []
    for position, cell in enumerate(header, start=1):
        plain = name = " ".join(cell.split()) or f"column {position}"
        copies = 1
        while name in names:
            copies += 1
            name = f"{plain} ({copies})"
        names.append(name)
    return names


def _count_lines(path: Path) -> int:
    """Count line breaks, to know about how many rows there will be."""
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
