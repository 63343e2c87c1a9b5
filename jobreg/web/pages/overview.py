"""The first page: queues, what ended and how long it took, failures by job, workers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from ...objects.status import COUNTED, pause_objects
from .. import operate
from . import charts, rendering
from .filters import written
from .following import fragment, heard

if TYPE_CHECKING:
    from ...store import Pause
    from ..lately import Whole
    from .visit import Visit

_JOBS_OF_A_QUEUE = 12


async def show(visit: Visit) -> Response:
    """The page."""
    whole = await visit.live.whole()
    # What is paused is read anew: who has just paused something looks here whether it is.
    pauses = await visit.do(visit.client.store.pauses)
    return visit.page("overview.html", view=view(whole, pauses))


async def live(visit: Visit) -> Response:
    """The same page, as it changes."""
    return await visit.stream(_telling(visit))


async def _telling(visit: Visit) -> AsyncGenerator[str]:
    async with aclosing(visit.live.follow(whole=True)) as following:
        async for news in heard(following):
            if isinstance(news, str):
                yield news
            elif news.whole is not None:
                seen = view(news.whole, news.whole.pauses)
                for name in ("queues", "activity", "failures", "workers"):
                    yield fragment(name, rendering.part("parts.html", name, visit, seen))


def view(whole: Whole, pauses: Sequence[Pause]) -> dict[str, Any]:
    """What the page shows."""
    return {
        "queues": queues(whole.status["queues"], pauses),
        "paused_jobs": [each for each in pause_objects(pauses) if each["kind"] == "job"],
        "per_minute": whole.status["per_minute"],
        "throughput": charts.throughput(whole.activity),
        "durations": charts.durations(whole.activity),
        "rows": charts.rows(whole.activity),
        "failures": [
            {"job_name": name, "number": number, "ago": ago,
             "query": written({"state": "failed", "job": name, "since": "1h"})}
            for name, number, ago in whole.activity.failures
        ],
        "workers": whole.workers,
    }  # fmt: skip


def queues(rows: Sequence[dict[str, Any]], pauses: Sequence[Pause]) -> list[dict[str, Any]]:
    """A row for each queue that has runs or is paused, with its busiest jobs."""
    paused = {each["name"]: each for each in pause_objects(pauses) if each["kind"] == "queue"}
    found: dict[str, dict[str, Any]] = {}
    for name in sorted({*(row["queue"] for row in rows), *paused}):
        nothing: dict[str, Any] = dict.fromkeys(COUNTED, 0)
        found[name] = nothing | {"queue": name, "oldest_due": None, "paused": paused.get(name)}
        jobs = [row for row in rows if row["queue"] == name]
        for row in jobs:
            for state in COUNTED:
                found[name][state] += row[state]
            if row["oldest_due"] is not None:
                oldest = found[name]["oldest_due"] or 0.0
                found[name]["oldest_due"] = max(oldest, row["oldest_due"])
        jobs.sort(key=lambda row: (-sum(row[state] for state in COUNTED), row["job_name"]))
        found[name] |= {"jobs": jobs[:_JOBS_OF_A_QUEUE], "more": len(jobs) - _JOBS_OF_A_QUEUE}
    return list(found.values())


async def pause(visit: Visit) -> Response:
    """Let nobody claim queued runs of a queue."""
    await visit.do(operate.pause, visit.client.store, "queue", visit.path("queue"))
    return visit.go()


async def resume(visit: Visit) -> Response:
    """Let them be claimed again."""
    await visit.do(operate.resume, visit.client.store, "queue", visit.path("queue"))
    return visit.go()
