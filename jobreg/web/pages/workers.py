"""The workers there are, and letting one go."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from starlette.responses import Response

from ...objects.status import worker_details
from .. import operate
from . import rendering
from .following import fragment, heard

if TYPE_CHECKING:
    from .visit import Visit


async def show(visit: Visit) -> Response:
    """The page."""
    workers = await visit.do(worker_details, visit.client.store)
    return visit.page("workers.html", workers=workers)


async def live(visit: Visit) -> Response:
    """The same page, as it changes."""
    return await visit.stream(_telling(visit))


async def _telling(visit: Visit) -> AsyncGenerator[str]:
    async with aclosing(visit.live.follow(whole=True)) as following:
        async for news in heard(following):
            if isinstance(news, str):
                yield news
            elif news.whole is not None:
                workers = news.whole.workers
                html = rendering.part("parts.html", "worker_cards", visit, workers)
                yield fragment("all-workers", html)


async def drain(visit: Visit) -> Response:
    """Ask a worker to end: it claims no more and lets running jobs finish."""
    await visit.do(operate.drain, visit.client.store, visit.path("worker_id"))
    return visit.go("workers")
