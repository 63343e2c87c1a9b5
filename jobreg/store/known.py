"""What the store knows of one job, asked by one statement in the driver's own words.

A client asks before the first submit after a pause (of PostgreSQL only where what it knew holds no
more), and somebody waits for that run: two questions by way of SQLAlchemy take longer than all the
rest of a submit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from ..catalogue import Known
from .records import Row, entry_of

_ENTRY = (
    "job_name", "dist", "version", "options", "signature", "params_schema", "summary",
    "import_seconds", "trouble", "first_seen", "last_seen",
)  # fmt: skip
_OVERRIDE = ("option_name", "value")

Rows = Sequence[tuple[Any, ...]]


def words(mark: str, before: str = "") -> str:
    """The statement, to be executed with the job's name twice; ``before`` names the schema.

    A row of the catalogue begins with 0, one of the overrides with 1.
    """
    nothing = ", ".join(["NULL"] * (len(_ENTRY) - len(_OVERRIDE)))
    return (
        f"SELECT 0, {', '.join(_ENTRY)} FROM {before}jobreg_catalogue WHERE job_name = {mark} "
        f"UNION ALL SELECT 1, {', '.join(_OVERRIDE)}, {nothing} "
        f"FROM {before}jobreg_overrides WHERE job_name = {mark}"
    )


class Remembered:
    """What was found last of each job, as long as the same is found."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Rows, Known]] = {}

    def of(self, name: str, rows: Rows) -> Known:
        """What these rows tell; the very same object where they are those of the last time."""
        rows = sorted(rows, key=itemgetter(0, 1, 2))
        before = self._found.get(name)
        if before is not None and before[0] == rows:
            return before[1]
        known = _read(rows)
        self._found[name] = rows, known
        return known


def known_of(entries: Sequence[Row], overrides: Sequence[Row]) -> Known:
    """Read the rows of one job in ``jobreg_catalogue`` and in ``jobreg_overrides``."""
    seen = (f"seen {row['dist']} {row['version']} {row['last_seen']}" for row in entries)
    was_set = (f"set {row['option_name']} {row['value']}" for row in overrides)
    return Known(
        tuple(entry_of(row) for row in entries),
        {row["option_name"]: json.loads(row["value"]) for row in overrides},
        tuple(sorted((*seen, *was_set))),
    )


def _read(rows: Rows) -> Known:
    parts = {which: list(some) for which, some in groupby(rows, itemgetter(0))}
    return known_of(
        [dict(zip(_ENTRY, row[1:], strict=True)) for row in parts.get(0, ())],
        [dict(zip(_OVERRIDE, row[1:], strict=False)) for row in parts.get(1, ())],
    )
