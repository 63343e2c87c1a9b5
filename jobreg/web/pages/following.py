"""What an open page is told: parts of it made anew, lines of a log, and that the store is away."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from ..streams import ALIVE, event, store_event

if TYPE_CHECKING:
    from ..live import News

FIRST = "retry: 2000\n\n"
"""How soon, in milliseconds, a page that has lost its connection asks again."""


def fragment(identity: str, html: str) -> str:
    """A part of the page, to stand where the element with this id is."""
    return event("fragment", {"id": identity, "html": html})


async def heard(following: AsyncGenerator[News | None]) -> AsyncGenerator[News | str]:
    """The news, and between them what is told of the connection and the store as it is."""
    yield FIRST
    async for news in following:
        if news is None:
            yield ALIVE
            continue
        if news.down is not None:
            yield store_event(news)
        yield news
