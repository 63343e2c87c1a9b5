"""``jobreg status``: what waits, what runs, how fast it goes, and who works."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import click

from ..objects.status import COUNTED, nothing, status_object
from . import as_json, opened, output, store_url

COLOURS = {"live": "green", "draining": "yellow", "degraded": "yellow", "dead": "red"}
"""Of the states of workers."""


@click.command()
@as_json
@store_url
def status(as_json: bool, store_url: str | None) -> None:
    """Show what waits and runs by queue and job, the rate, and the workers.

    \b
    Example: jobreg status --json
    """
    from .. import settings
    from ..store import exists

    url = settings.load(store=store_url).store
    missing = None if exists(url) else f"There is no store at {url} yet; the first submit makes it."
    told = nothing() if missing else status_object(opened(url))
    if as_json:
        output.print_json(told)
    elif missing:
        print(output.safe(missing))
    else:
        _tell(told)


def _tell(told: dict[str, Any]) -> None:
    rows = [
        (
            row["queue"],
            row["job_name"],
            *(row[state] for state in COUNTED),
            "" if row["oldest_due"] is None else output.span(row["oldest_due"]),
        )
        for row in told["queues"]
    ]
    if rows:
        headers = ("QUEUE", "JOB", "QUEUED", "RUNNING", "SCHEDULED", "OLDEST DUE")
        output.table(rows, headers, keep=headers[2:])
        _tell_sum(told["queues"])
    else:
        print("Nothing waits and nothing runs.")
    per_minute = told["per_minute"].items()
    rates = ", ".join(f"{output.amount(rate)} {state}" for state, rate in per_minute)
    print(f"Settled a minute, over the last {output.span(told['window'])}: {rates}")
    tell_workers(told["workers"])


def _tell_sum(queues: Iterable[dict[str, Any]]) -> None:
    total: Counter[str] = Counter()
    for row in queues:
        total.update({state: row[state] for state in COUNTED})
    print(f"In all: {', '.join(f'{total[state]} {state}' for state in COUNTED)}")


def tell_workers(workers: list[dict[str, Any]]) -> None:
    """A table of workers, under what stands above it."""
    if not workers:
        print("No worker is running. Start one: jobreg worker")
        return
    print()
    rows = [
        (
            each["host"],
            each["pid"],
            each["state"],
            f"{each['busy']}/{each['slots']}",
            f"{output.span(each['beat_age'])} ago",
            ", ".join(each["queues"]) or "all",
        )
        for each in workers
    ]
    headers = ("HOST", "PID", "WORKER", "BUSY", "HEARD", "QUEUES")
    output.table(rows, headers, colours=COLOURS, keep=headers[1:5])
