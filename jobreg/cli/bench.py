"""``jobreg bench``: how fast jobreg is on the user's database, beside what its driver can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import BadInput
from . import as_json, output, scratch, store_url

if TYPE_CHECKING:
    from ..bench.measure import Report

_SHOWN = {"submit": "submit one by one", "submit_many": "submit_many", "drain": "drain"}


@click.command()
@click.option("--runs", type=int, default=10_000, help="Runs to drain; 10000 by default.")
@as_json
@store_url
def bench(runs: int, as_json: bool, store_url: str | None) -> int:
    """Measure submit, drain and latency on your own database, beside the plain driver.

    It works in a file, schema or database of its own beside the store, which it drops again; the
    store itself is not touched. Each ratio is to what the driver does at the same work on the same
    tables. Exit code 1 where a run was not done exactly once, in a child, with the right result.

    \b
    Example: jobreg bench --store postgresql://jobs@db/jobs --runs 50000
    """
    from .. import settings
    from ..bench.measure import FEWEST, MOST, measure

    if not FEWEST <= runs <= MOST:
        raise BadInput(f"--runs: {runs} is not a whole number from {FEWEST} to {MOST}.")
    with scratch(store_url) as store, output.progress(shown=not as_json) as tell:
        kind = store.engine.dialect.name
        if kind == "sqlite":
            kind += f", synchronous {settings.load().sqlite_sync}"
        report = measure(store, runs, tell=tell)
    if as_json:
        output.print_json(_told(kind, runs, report))
    else:
        _print(kind, runs, report)
    return int(not report.good)


def _told(kind: str, runs: int, report: Report) -> dict[str, Any]:
    figures = {
        name: {
            "per_second": round(each.ours),
            "driver_per_second": round(each.driver),
            "ratio": round(each.ratio, 3),
        }
        for name, each in report.figures.items()
    }
    latency = {
        "p50_ms": round(report.latency(0.5), 2),
        "p95_ms": round(report.latency(0.95), 2),
        "samples": len(report.latencies),
    }
    return {
        "good": report.good,
        "database": kind,
        "runs": runs,
        "concurrency": report.concurrency,
        "seconds": round(report.seconds, 1),
        **figures,
        "submit_to_start": latency,
        "faults": report.faults,
    }


def _print(kind: str, runs: int, report: Report) -> None:
    told = {"database": kind, "runs": f"{runs:,}", "concurrency": report.concurrency}
    output.fields([*told.items(), ("seconds", round(report.seconds, 1))])
    print()
    rows = [
        (_SHOWN[name], f"{each.ours:,.0f}/s", f"{each.driver:,.0f}/s", f"{each.ratio:.2f}")
        for name, each in report.figures.items()
    ]
    rows += [
        (f"submit to start, p{part}", f"{report.latency(part / 100):.1f} ms", "", "")
        for part in (50, 95)
    ]
    output.table(rows, ("", "JOBREG", "DRIVER", "RATIO"))
    print()
    if report.good:
        print("Every run was done once, in a child, with the right result.")
    else:
        from ..bench.checker import FAULTS

        output.faults(FAULTS, report.faults)
