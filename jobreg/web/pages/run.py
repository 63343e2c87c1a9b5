"""One run: why it is in its state, its attempts, what went in, what came out, what it said."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from ...codec import attempt_object
from ...handle import Run
from ..runs import log_place
from . import charts, log, rendering
from .following import fragment, heard

if TYPE_CHECKING:
    from ...lifecycle import RunRecord
    from ..live import Live
    from .visit import Visit

_PARTS = ("run_head", "run_attempts", "run_outcome", "run_facts")


async def show(visit: Visit) -> Response:
    """The page; ``before`` is the place in the log that its earlier lines are shown from."""
    run = await visit.do(_named, visit)
    before = visit.asked("before")
    shown = await visit.do(log.last, visit.client, run.id, before)
    return visit.page("run_page.html", view=await view(visit.live, run.record), log=shown)


def _named(visit: Visit) -> Run:
    client = visit.client
    return client.get(client.find_id(visit.path("run_id")))


async def view(live: Live, record: RunRecord) -> dict[str, Any]:
    """What is shown of a run besides its log, by what was read of the store lately."""
    (run,) = await live.objects([record])
    attempts = [attempt_object(each) for each in await live.do(live.lately.attempts, record)]
    because, following = await live.do(live.lately.why, record)
    return {
        "run": run,
        "attempts": attempts,
        "spans": charts.timeline(run, attempts),
        "because": because,
        "next": following,
        "final": record.state.final,
        "worker": await live.do(live.lately.worker_of, record),
    }


async def live(visit: Visit) -> Response:
    """The parts of the page as the run changes, and the lines of its log as they come."""
    run = await visit.do(_named, visit)
    # A browser that has lost its connection says what it heard last.
    place = visit.request.headers.get("last-event-id") or visit.asked("after")
    return await visit.stream(_telling(visit, run.id, log_place(place)))


async def _telling(visit: Visit, run_id: str, place: log.Place) -> AsyncGenerator[str]:
    telling = visit.live.follow([run_id], log_of=run_id, after=log.row_before(place))
    async with aclosing(telling) as following:
        async for news in heard(following):
            if isinstance(news, str):
                yield news
                continue
            for record in news.runs.values():
                seen = await view(visit.live, record)
                for name in _PARTS:
                    html = rendering.part("parts.html", name, visit, seen)
                    yield fragment(name.replace("_", "-"), html)
            if news.rows:
                lines = log.told(news.rows, place)
                if lines:
                    place = log_place(lines[-1].place)
                    yield log.lines_event(rendering.part("parts.html", "lines", lines), lines)


async def cancel(visit: Visit) -> Response:
    """Cancel it: at once while it waits, within seconds while it runs."""
    run = await visit.do(_named, visit)
    await visit.do(run.cancel)
    return visit.go("runs", run.id)


async def retry(visit: Visit) -> Response:
    """Queue it again; of a succeeded one, submit a copy, whose page comes next."""
    run = await visit.do(_named, visit)
    made = await visit.do(run.retry)
    return visit.go("runs", made.id)
