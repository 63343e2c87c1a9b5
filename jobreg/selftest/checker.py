"""Reads the tables after the soak and says what is wrong. Shares no code with the worker.

Only SQL that every database takes, on the tables as they are documented.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from ..store import Store
from .effects import effects_table


@frozen(kw_only=True)
class Verdict:
    """What was found; all is well where every list in ``faults`` is empty."""

    runs: int
    attempts: int
    effects: int
    outcomes: dict[str, int]
    faults: dict[str, list[str]] = field(factory=dict)

    @property
    def good(self) -> bool:
        """Was nothing lost, doubled, stuck or overtaken?"""
        return not any(self.faults.values())


FAULTS = {
    "lost": "submitted, and not in the store",
    "stuck": "not over",
    "not succeeded": "over, and not as it must be",
    "wrong result": "another result than its job returns",
    "doubled effect": "a transactional effect that is there twice",
    "effect without success": "an effect of a run or attempt that did not succeed",
    "success without effect": "a run that succeeded, and its effect is not there",
    "two successes": "several attempts that succeeded",
    "overtaken": "a newer attempt than the one that succeeded",
    "numbers": "an attempt number that the run never had",
    "left behind": "a live row of a run that is over",
}
"""What can be wrong, and what it means."""


def check(store: Store, asked: Mapping[str, tuple[str, int]]) -> Verdict:
    """Look at everything. ``asked`` has job name and number of each run that was submitted."""
    table = effects_table(store)
    runs = {row[0]: row for row in _rows(store, "run_id, state, attempt, result", "jobreg_runs")}
    live = {row[0] for row in _rows(store, "run_id", "jobreg_live")}
    attempts = _rows(store, "run_id, attempt, outcome", "jobreg_attempts")
    effects = _rows(store, "run_id, attempt", table)
    by_run: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for run_id, number, outcome in attempts:
        by_run[run_id].append((number, outcome))
    booked: dict[str, list[int]] = defaultdict(list)
    for run_id, number in effects:
        booked[run_id].append(number)
    faults: dict[str, list[str]] = {name: [] for name in FAULTS}
    faults["lost"] = [run_id for run_id in asked if run_id not in runs]
    faults["left behind"] = [each for each in live if each in runs and runs[each][1] is not None]
    for run_id, (job, number) in asked.items():
        if run_id not in runs:
            continue
        _, state, last, result = runs[run_id]
        won = [each for each, outcome in by_run[run_id] if outcome == "succeeded"]
        told = {
            "stuck": state is None,
            "not succeeded": state not in (None, "succeeded"),
            "wrong result": state == "succeeded" and result != str(number),
            "doubled effect": len(booked[run_id]) > 1,
            "effect without success": any(each not in won for each in booked[run_id]),
            "success without effect": (
                job == "selftest.effect" and state == "succeeded" and not booked[run_id]
            ),
            "two successes": len(won) > 1,
            "overtaken": bool(won) and max(won) != last,
            "numbers": any(each > last for each, _ in by_run[run_id]),
        }
        for name, is_so in told.items():
            if is_so:
                faults[name].append(run_id)
    return Verdict(
        runs=len(runs),
        attempts=len(attempts),
        effects=len(effects),
        outcomes=dict(Counter(outcome for _, _, outcome in attempts)),
        faults=faults,
    )


def _rows(store: Store, columns: str, table: str) -> list[Any]:
    inside = store.database.schema
    if inside is not None and "." not in table:
        table = f'"{inside}".{table}'
    with store.reading() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(f"SELECT {columns} FROM {table}")]
