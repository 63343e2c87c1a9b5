"""``jobreg selftest``: kill workers on a scratch store in the user's database, and check it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import BadInput
from . import as_json, output, scratch, store_url

if TYPE_CHECKING:
    from ..selftest.soak import Report


@click.command()
@click.option("--kills", type=int, default=60, help="Workers to kill or freeze; 60 by default.")
@click.option("--seed", type=int, help="Choose the same victims as a run before.")
@as_json
@store_url
def selftest(kills: int, seed: int | None, as_json: bool, store_url: str | None) -> int:
    """Kill workers under load on your own database, and check that nothing was lost.

    It works in a file, schema or database of its own beside the store, which it drops again; the
    store itself is not touched. 60 kills take about a minute. Exit code 1 where anything was lost,
    done twice, or stuck.

    \b
    Example: jobreg selftest --store postgresql://jobs@db/jobs --kills 300
    """
    from ..selftest.soak import soak

    if not 1 <= kills <= 100_000:
        raise BadInput(f"--kills: {kills} is not a whole number from 1 to 100000.")
    with scratch(store_url) as store, output.progress(shown=not as_json) as tell:
        kind = store.engine.dialect.name
        report = soak(store, kills, seed=seed, tell=tell)
    if as_json:
        output.print_json(_told(kind, report))
    else:
        _print(kind, report)
    return int(not report.verdict.good)


def _told(kind: str, report: Report) -> dict[str, Any]:
    verdict = report.verdict
    return {
        "good": verdict.good,
        "database": kind,
        "seed": report.seed,
        "seconds": round(report.seconds, 1),
        "killed": report.killed,
        "frozen": report.frozen,
        "children_killed": report.children_killed,
        "runs": verdict.runs,
        "attempts": verdict.attempts,
        "effects": verdict.effects,
        "outcomes": verdict.outcomes,
        "refused": report.refused,
        "faults": verdict.faults,
    }


def _print(kind: str, report: Report) -> None:
    from ..selftest.checker import FAULTS

    told = _told(kind, report)
    shown = ("database", "killed", "frozen", "children_killed", "runs", "attempts", "effects")
    rows = [(name.replace("_", " "), told[name]) for name in shown]
    rows.append(("writes refused", told["refused"]))
    rows.append(("seconds", told["seconds"]))
    output.fields(rows)
    print()
    output.faults(FAULTS, report.verdict.faults)
    print()
    verdict = "Nothing was lost, done twice, or stuck." if report.verdict.good else "FAILED."
    print(f"{verdict} To choose the same victims: --seed {report.seed}")
