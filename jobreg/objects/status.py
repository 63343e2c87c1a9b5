"""What waits, what runs, how fast it goes and who works, as programs see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..codec import iso_time

if TYPE_CHECKING:
    from ..lifecycle import State
    from ..store import Depth, Load, Pause, Store, WorkerRow

WINDOW = 300.0
"""Seconds over which the rate is told."""

COUNTED = ("queued", "running", "scheduled")
"""The states of unfinished runs that are counted, by queue and job."""


def status_object(store: Store) -> dict[str, Any]:
    """The whole of it, as it is now."""
    return status_of(store.load(WINDOW), worker_objects(store.workers(), store.busy()))


def status_of(load: Load, workers: list[dict[str, Any]]) -> dict[str, Any]:
    """The same, of what was read."""
    return {"queues": _queues(load.depths), **_rates(load.per_minute), "workers": workers}


def nothing() -> dict[str, Any]:
    """The same of a store that is not there yet."""
    return {"queues": [], **_rates({}), "workers": []}


def _queues(depths: Iterable[Depth]) -> list[dict[str, Any]]:
    """One row for each queue and job."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for each in depths:
        nothing = {"queue": each.queue, "job_name": each.job_name} | dict.fromkeys(COUNTED, 0)
        key = each.queue, each.job_name
        row = rows.setdefault(key, nothing | {"oldest_due": None})
        row[each.state.value] = each.number
        # Scheduled runs that are due count: they wait for a worker to notice.
        if each.state.value != "running" and each.age >= 0:
            row["oldest_due"] = max(row["oldest_due"] or 0.0, round(each.age, 3))
    return list(rows.values())


def _rates(per_minute: Mapping[State, float]) -> dict[str, Any]:
    rates = dict.fromkeys(("succeeded", "failed", "cancelled"), 0.0)
    rates |= {state.value: round(rate, 2) for state, rate in per_minute.items()}
    return {"per_minute": rates, "window": WINDOW}


def worker_objects(workers: Iterable[WorkerRow], busy: Mapping[str, int]) -> list[dict[str, Any]]:
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


def worker_details(store: Store) -> list[dict[str, Any]]:
    """Workers with their leases, versions of jobreg and the names they provide."""
    return details_of(store.workers(), store.busy())


def details_of(workers: Sequence[WorkerRow], busy: Mapping[str, int]) -> list[dict[str, Any]]:
    """The same, of what was read."""
    by_id = {row.worker_id: row for row in workers}
    told = worker_objects(workers, busy)
    for each in told:
        row = by_id[each["worker_id"]]
        each |= {
            "lease": row.lease,
            "jobreg_version": row.jobreg_version,
            "names": list(row.names),
        }
    return told


def pause_objects(pauses: Iterable[Pause]) -> list[dict[str, Any]]:
    """Paused queues and jobs, and since when."""
    return [
        {"kind": each.kind, "name": each.name, "paused_at": iso_time(each.paused_at)}
        for each in pauses
    ]
