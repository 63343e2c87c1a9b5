"""New runs enter a SQLite file, in the driver's own words; SQLAlchemy is not needed for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ..lifecycle import RunRecord
from . import new_runs

# SQLite before 3.42 has no unixepoch('subsec'); julianday('now') is good to the millisecond.
NOW = "(CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000)"


def _insert_into(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"


INSERT_RUNS = _insert_into("jobreg_runs", new_runs.ASKED)
INSERT_LIVE = _insert_into("jobreg_live", new_runs.WAITING)

Execute = Callable[[str, Any], Any]
"""Executes a statement with its values; what it returns has ``fetchone``."""


def clock() -> int:
    """What :data:`NOW` gives, microseconds since 1970: in this process, SQLite's clock is this."""
    return time.time_ns() // 1_000_000 * 1000


def insert_one(execute: Execute, clock: int, run: RunRecord) -> RunRecord:
    """Store a new run at ``clock`` and return it as it stands."""
    kind = new_runs.kind_of(run, clock)
    asked, waits = kind.rows(run)
    execute(INSERT_RUNS, asked)
    execute(INSERT_LIVE, waits)
    return kind.stored(run)


def insert_many(execute: Execute, now: str, runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Store new runs; ``execute`` takes many rows of values as well."""
    (clock,) = execute(f"SELECT {now}", ()).fetchone()
    kinds = new_runs.Kinds(clock)
    rows = [kinds.of(run).rows(run) for run in runs]
    execute(INSERT_RUNS, [asked for asked, _ in rows])
    execute(INSERT_LIVE, [waits for _, waits in rows])
    return [kinds.of(run).stored(run) for run in runs]
