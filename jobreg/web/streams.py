"""The REST interface: what is told as it happens, as server-sent events.

The format is that of the HTML standard (html.spec.whatwg.org, section 9.2). A stream of a run ends
with an event ``end`` when the run is over; who closes it before asks again, and a log goes on
where ``Last-Event-ID`` says.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..codec import log_object
from ..errors import BadInput
from ..request import checked_level, checked_run_id
from .asked import Asked
from .runs import lines_from, lines_of, log_place, named

if TYPE_CHECKING:
    from ..lifecycle import RunRecord
    from .live import News

Stream = Callable[[Asked], AsyncGenerator[str]]

_MOST_RUNS = 200
_LINES = 500


def event(name: str, data: object, place: str | None = None) -> str:
    """One event, its data as JSON on one line; ``place`` is what a client goes on from."""
    told = "" if place is None else f"id: {place}\n"
    return f"{told}event: {name}\ndata: {json.dumps(data, ensure_ascii=True)}\n\n"


ALIVE = ": still here\n\n"
"""A comment: nothing has happened."""


def store_event(news: News) -> str:
    """That the store cannot be reached, or is back."""
    return event("store", {"available": not news.down, "detail": news.down or None})


async def run_events(asked: Asked) -> AsyncGenerator[str]:
    """A run as it is, and again whenever it has changed, until it is over."""
    run = await asked.live.do(named, asked)
    async for told in _of_runs(asked, [run.id], until_over=True):
        yield told


async def events(asked: Asked) -> AsyncGenerator[str]:
    """How the whole stands, every 12 s, and the runs that are named, whenever one has changed."""
    run_ids = [checked_run_id(each) for each in asked.query.get("run_id", ())]
    if len(run_ids) > _MOST_RUNS:
        raise BadInput(f"run_id: at most {_MOST_RUNS} can be followed at a time.")
    async for told in _of_runs(asked, run_ids, until_over=False):
        yield told


async def _of_runs(asked: Asked, run_ids: list[str], *, until_over: bool) -> AsyncGenerator[str]:
    live = asked.live
    async with aclosing(live.follow(run_ids, whole=not until_over)) as following:
        yield ALIVE
        async for news in following:
            if news is None:
                yield ALIVE
                continue
            if news.down is not None:
                yield store_event(news)
            if news.whole is not None:
                yield event("status", news.whole.status)
            records = list(news.runs.values())
            for each in await live.objects(records) if records else ():
                yield event("run", each)
            if until_over and any(record.state.final for record in records):
                yield event("end", {})
                return


async def log_events(asked: Asked) -> AsyncGenerator[str]:
    """The lines of a log: those there are, and each as it comes, until the run is over."""
    run = await asked.live.do(named, asked)
    async for told in follow_log(asked, run.record, _line_event):
        yield told
    yield event("end", {})


def _line_event(place: str, line: Any) -> str:
    return event("line", log_object(line), place)


async def follow_log(
    asked: Asked, record: RunRecord, tell: Callable[[str, Any], str]
) -> AsyncGenerator[str]:
    """Each line of a run's log as ``tell`` says it, until the run is over."""
    cursor: str | None = asked.query.get("cursor")
    attempt, level = asked.query.get("attempt"), asked.query.get("level")

    async def rest() -> AsyncGenerator[str]:
        nonlocal cursor
        while lines := await asked.live.do(_some, asked, record.run_id, cursor, attempt, level):
            for cursor, line in lines:
                yield tell(cursor, line)

    async for told in rest():
        yield told
    # Whether it was over was seen before its lines were read: no other comes then.
    if record.state.final:
        return
    place = log_place(cursor)
    following = asked.live.follow([record.run_id], log_of=record.run_id, after=place[:2])
    async with aclosing(following) as all_news:
        yield ALIVE
        async for news in all_news:
            if news is None:
                yield ALIVE
                continue
            if news.down is not None:
                yield store_event(news)
            mine = [row for row in news.rows if attempt in (None, row.attempt)]
            new = lines_of(mine, log_place(cursor), checked_level(level))
            for cursor, line in new:
                yield tell(cursor, line)
            if any(each.state.final for each in news.runs.values()):
                async for told in rest():
                    yield told
                return


def _some(
    asked: Asked, run_id: str, cursor: str | None, attempt: int | None, level: str | None
) -> list[tuple[str, Any]]:
    """The next lines of a log, some hundred of them."""
    return list(islice(lines_from(asked.client, run_id, cursor, attempt, level), _LINES))
