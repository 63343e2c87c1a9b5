"""Runs: those that the filter bar finds, newest first, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from ... import bulk
from ...errors import BadInput, NotFound
from ...lifecycle import State
from ...request import checked_run_id
from ..problems import Problem
from ..runs import page as page_of
from . import filters, rendering
from .following import fragment, heard

if TYPE_CHECKING:
    from ...client import Client
    from ...handle import Run
    from .filters import Wanted
    from .visit import Visit

PAGE = 50
_MOST_FOLLOWED = 200


async def show(visit: Visit) -> Response:
    """The page; ``q`` is what stands in the bar, ``cursor`` where to go on."""
    text = (visit.asked("q") or "").strip()
    status, fault, wanted = 200, "", filters.Wanted(text=text)
    found: list[Run] = []
    following = None
    try:
        wanted = filters.read(text)
        found, following = await visit.do(_page, visit.client, wanted, visit.asked("cursor"))
    except BadInput as error:
        status, fault = 422, str(error)
    runs = await visit.live.objects([run.record for run in found])
    unfinished = [run.id for run in found if not run.state.final]
    return visit.page(
        "runs.html",
        status,
        wanted=wanted,
        fault=fault,
        runs=runs,
        following=following,
        later=visit.asked("cursor") is not None,
        unfinished=unfinished,
        states=_states(wanted),
        qualifiers=filters.QUALIFIERS,
        verbs=[] if fault or not found else _verbs(wanted),
    )


def _page(client: Client, wanted: Wanted, cursor: str | None) -> tuple[list[Run], str | None]:
    """A page of what is wanted."""
    if not wanted.ids:
        return page_of(client, wanted.given, PAGE, cursor)
    found: Sequence[Any] = list(bulk.named(client, wanted.ids[:PAGE]))
    return [each for each in found if not isinstance(each, NotFound)], None


def _states(wanted: Wanted) -> list[dict[str, Any]]:
    """A link for each state, beside what else is wanted."""
    links = []
    for state in (None, *State):
        others = " ".join(each for each in filters.words(wanted.text) if not _is_state(each))
        text = others if state is None else f"state:{state} {others}".strip()
        now = wanted.states == ((state.value,) if state else ())
        links.append({"name": state.value if state else "all", "query": text, "now": now})
    return links


def _is_state(word: str) -> bool:
    return word.startswith("state:")


def _verbs(wanted: Wanted) -> list[str]:
    """What may be done to all that match: what touches every state that is asked for."""
    return [
        verb.name
        for verb in (bulk.RETRY, bulk.CANCEL)
        if {*map(str, wanted.states)} <= {state.value for state in verb.touched}
    ]


async def live(visit: Visit) -> Response:
    """Rows of the page, as their runs change."""
    asked = visit.request.query_params.getlist("run_id")
    run_ids = [checked_run_id(each) for each in asked]
    if len(run_ids) > _MOST_FOLLOWED:
        raise Problem(422, "bad-input", f"At most {_MOST_FOLLOWED} runs are followed at a time.")
    return await visit.stream(_telling(visit, run_ids))


async def _telling(visit: Visit, run_ids: Sequence[str]) -> AsyncGenerator[str]:
    async with aclosing(visit.live.follow(run_ids, whole=True)) as following:
        async for news in heard(following):
            if isinstance(news, str):
                yield news
                continue
            records = list(news.runs.values())
            for run in await visit.live.objects(records) if records else ():
                yield fragment(row_id(run), rendering.part("parts.html", "run_row", visit, run))


def row_id(run: Mapping[str, Any]) -> str:
    """The id of the row of a run."""
    return f"run-{run['run_id']}"
