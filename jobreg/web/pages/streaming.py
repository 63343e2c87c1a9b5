"""Pieces of pages as server-sent events: made by the templates that made the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..streams import ALIVE, event, store_event
from .rendering import render

if TYPE_CHECKING:
    from ..live import News


def fragment(element: str, template: str, facts: dict[str, Any]) -> str:
    """A template filled anew, to stand in place of the element with this id."""
    return event("fragment", {"id": element, "html": render(template, facts)})


def store_word(news: News | None) -> str | None:
    """What is said of the store, or that nothing has happened; None where there is other news."""
    if news is None:
        return ALIVE
    return store_event(news) if news.down is not None else None
