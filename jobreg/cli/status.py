"""``jobreg status``: what waits, what runs, how fast it goes, and who works."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from . import as_json, output, store_url

if TYPE_CHECKING:
    from ..store import Depth, Load, WorkerRow

WINDOW = 300.0
"""Seconds over which the rate is told."""

COLOURS = {"live": "green", "draining": "yellow", "degraded": "yellow", "dead": "red"}
"""Of the states of workers."""

_COUNTED = ("queued", "running", "scheduled")


@click.command()
@as_json
@store_url
def status(as_json: bool, store_url: str | None) -> None:
    """Show what waits and runs by queue and job, the rate, and the workers.

    \b
    Example: jobreg status --json
    """
    from .. import settings
    from ..store import exists, open_store

    url = settings.load(store=store_url).store
    if not exists(url):
        told: dict[str, Any] = {"queues": [], "per_minute": {}, "window": WINDOW, "workers": []}
        missing = f"There is no store at {url} yet; the first submit makes it."
    else:
        store, missing = open_store(url), None
        load = store.load(WINDOW)
        told = _rates(load) | {
            "queues": _queues(load.depths),
            "workers": worker_objects(store.workers(), store.busy()),
        }
    if as_json:
        output.print_json(told)
    elif missing:
        print(output.safe(missing))
    else:
        _tell(told)


def _queues(depths: Iterable[Depth]) -> list[dict[str, Any]]:
    """One row for each queue and job."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for each in depths:
        nothing = {"queue": each.queue, "job_name": each.job_name} | dict.fromkeys(_COUNTED, 0)
        key = each.queue, each.job_name
        row = rows.setdefault(key, nothing | {"oldest_due": None})
        row[each.state.value] = each.number
        # Scheduled runs that are due count: they wait for a worker to notice.
        if each.state.value != "running" and each.age >= 0:
            row["oldest_due"] = max(row["oldest_due"] or 0.0, round(each.age, 3))
    return list(rows.values())


def _rates(load: Load) -> dict[str, Any]:
    rates = dict.fromkeys(("succeeded", "failed", "cancelled"), 0.0)
    rates |= {state.value: round(rate, 2) for state, rate in load.per_minute.items()}
    return {"per_minute": rates, "window": WINDOW}


def worker_objects(workers: Iterable[WorkerRow], busy: dict[str, int]) -> list[dict[str, Any]]:
    """Workers as programs see them, in order of host and pid."""
    return [
        {
            "worker_id": each.worker_id,
            "state": each.shown,
            "host": each.host,
            "pid": each.pid,
            "busy": busy.get(each.worker_id, 0),
            "slots": each.concurrency,
            "beat_age": round(each.beat_age, 3),
            "queues": list(each.queues),
        }
        for each in sorted(workers, key=lambda row: (row.host, row.pid))
    ]


def _tell(told: dict[str, Any]) -> None:
    rows = [
        (
            row["queue"],
            row["job_name"],
            *(row[state] for state in _COUNTED),
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
    rates = ", ".join(f"{rate:g} {state}" for state, rate in told["per_minute"].items())
    print(f"Settled a minute, over the last {output.span(told['window'])}: {rates}")
    tell_workers(told["workers"])


def _tell_sum(queues: Iterable[dict[str, Any]]) -> None:
    total: Counter[str] = Counter()
    for row in queues:
        total.update({state: row[state] for state in _COUNTED})
    print(f"In all: {', '.join(f'{total[state]} {state}' for state in _COUNTED)}")


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
