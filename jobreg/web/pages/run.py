"""One run: where it stands and why, its attempts, parameters, result, error and log."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from itertools import islice
from typing import TYPE_CHECKING, Any

from ...codec import attempt_object
from ...handle import Run
from ...lifecycle import State
from ...why import explain
from .. import runs as rest
from ..streams import event, follow_log
from . import charts
from .rendering import render
from .streaming import fragment
from .visit import Answer, Moved, Shown, Visit

if TYPE_CHECKING:
    from ...lifecycle import RunRecord

LINES = 1000
"""Lines of a log on one page."""


def show(visit: Visit) -> Answer:
    """The whole page; ``cursor`` in the query is where its log goes on."""
    run = visit.client.get(visit.client.find_id(visit.path["run_id"]))
    cursor = visit.asked("cursor") or None
    lines = list(islice(rest.lines_from(visit.client, run.id, cursor, None, None), LINES + 1))
    more = lines[LINES - 1][0] if len(lines) > LINES else None
    last = lines[min(LINES, len(lines)) - 1][0] if lines else cursor
    facts = _facts(visit, run, rest.one(visit.client, run)) | {
        "lines": [line for _, line in lines[:LINES]],
        "from_cursor": cursor,
        "more": more,
        "live": None if run.state.final or more else f"after={last or ''}",
    }
    return Shown("run.html", facts)


def _facts(visit: Visit, run: Run, told: dict[str, Any]) -> dict[str, Any]:
    attempts = [attempt_object(each) for each in run.attempts()]
    why, following = explain(visit.client, run)
    return {
        "run": told,
        "attempts": attempts,
        "timeline": charts.timeline(attempts),
        "why": why,
        "following": following,
        "final": run.state.final,
        "can_cancel": not run.state.final,
        "can_retry": run.state.final,
        "succeeded": run.state is State.SUCCEEDED,
        "visit": visit,
        "base": visit.base,
    }


async def live(visit: Visit) -> AsyncGenerator[str]:
    """The run whenever it has changed, and each line of its log, until it is over."""
    run = await visit.live.do(visit.client.get, visit.path["run_id"])

    def tell_line(place: str, line: Any) -> str:
        return event("line", {"id": "log", "html": render("run_line.html", {"line": line})}, place)

    async def tell_run(record: RunRecord) -> str:
        if record.state.final:
            # Once, at its end: what it left, and what may be done with it now.
            return fragment("run", "run_part.html", await visit.live.do(_anew, visit, record))
        (shown,) = await visit.live.objects([record])
        return fragment("state", "run_state.html", {"run": shown})

    query = {"cursor": visit.asked("after")} if visit.asked("after") else {}
    async for told in follow_log(visit.as_asked(query), run.record, tell_line, tell_run):
        yield told
    yield event("end", {})


def _anew(visit: Visit, record: RunRecord) -> dict[str, Any]:
    run = Run(visit.client, record)
    return _facts(visit, run, rest.one(visit.client, run))


def cancel(visit: Visit) -> Answer:
    """Cancel the run, and show it."""
    return Moved(f"/runs/{rest.cancel(visit.as_asked())['run_id']}")


def retry(visit: Visit) -> Answer:
    """Queue the run again, or submit a copy, and show that."""
    return Moved(f"/runs/{rest.retry(visit.as_asked())['run_id']}")
