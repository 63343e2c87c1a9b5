"""Cancel and retry all runs that the filter bar finds: counted first, then done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from ... import bulk
from ..runs import changed
from . import filters

if TYPE_CHECKING:
    from .visit import Visit

AT_ONCE = 1000
"""Runs that one confirmation changes; the page offers to go on where there are more."""


async def cancel(visit: Visit) -> Response:
    """Cancel all unfinished runs that match."""
    return await _change(visit, bulk.CANCEL)


async def retry(visit: Visit) -> Response:
    """Queue all failed and cancelled runs again that match."""
    return await _change(visit, bulk.RETRY)


async def _change(visit: Visit, verb: bulk.Verb) -> Response:
    """Count them and ask; once that is confirmed, do it and say what was done."""
    text = visit.form.get("q", "").strip()
    wanted = filters.read(text)
    confirmed = visit.form.get("confirmed") == "yes"
    body = wanted.body | {"dry_run": not confirmed, "limit": AT_ONCE}
    if wanted.ids:
        del body["limit"]
    told = await visit.do(changed, visit.client, verb, body)
    return visit.page(
        "changed.html" if confirmed else "confirm.html",
        verb=verb.name,
        wanted=wanted,
        told=told,
        refused=[each for each in told["runs"] if each["error"]][:20],
        examples=[each for each in told["runs"] if not each["error"]][:10],
        touched=[state.value for state in verb.touched],
    )
