"""The runs that a line of qualifiers finds, and what is done to all of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from urllib.parse import urlencode

from ... import bulk
from ...errors import BadInput
from ...lifecycle import State
from ...objects.runs import run_objects
from .. import runs as rest
from . import filters
from .streaming import fragment, store_word
from .visit import Answer, Moved, Shown, Visit

PAGE = 50


def show(visit: Visit) -> Answer:
    """A page of runs."""
    text, cursor = visit.asked("q"), visit.asked("cursor") or None
    facts = {
        "text": text,
        "states": [state.value for state in State],
        "qualifiers": filters.QUALIFIERS,
        "error": None,
        "runs": [],
        "older": None,
        "newest": f"?{urlencode({'q': text})}" if cursor else None,
        "live": None,
    }
    try:
        given = filters.read(text)
        if "id" in given:
            return Moved(f"/runs/{visit.client.find_id(given['id'])}")
        found, following = rest.page(visit.client, given, PAGE, cursor)
    except BadInput as error:
        return Shown("runs.html", facts | {"error": str(error)}, 422)
    runs = run_objects(visit.client, [run.record for run in found])
    older = following and f"?{urlencode({'q': text, 'cursor': following})}"
    live = urlencode([("run_id", run["run_id"]) for run in runs])
    return Shown("runs.html", facts | {"runs": runs, "older": older, "live": live})


async def live(visit: Visit) -> AsyncGenerator[str]:
    """The rows of the runs that are named, whenever one has changed."""
    run_ids = visit.query.get("run_id", ())[:PAGE]
    async with aclosing(visit.live.follow(run_ids)) as following:
        async for news in following:
            told = store_word(news)
            if told is not None:
                yield told
            # What each is at first is told too: it may have changed since the page was made.
            records = [] if news is None else list(news.runs.values())
            for run in await visit.live.objects(records) if records else ():
                facts = {"run": run, "base": visit.base}
                yield fragment(f"run-{run['run_id']}", "runs_row.html", facts)


def cancel(visit: Visit) -> Answer:
    """Count the runs that would be cancelled; once confirmed, cancel them."""
    return _change(visit, bulk.CANCEL)


def retry(visit: Visit) -> Answer:
    """Count the runs that would be queued again; once confirmed, queue them."""
    return _change(visit, bulk.RETRY)


def _change(visit: Visit, verb: bulk.Verb) -> Answer:
    text = visit.filled("q")
    given = filters.read(text)
    body: dict[str, Any] = {"run_ids": [given["id"]]} if "id" in given else given or {"all": True}
    confirmed = visit.filled("confirmed") == "yes"
    told = rest.changed(visit.client, verb, {**body, "dry_run": not confirmed})
    return Shown("change.html", {"verb": verb.name, "text": text, "told": told, "done": confirmed})
