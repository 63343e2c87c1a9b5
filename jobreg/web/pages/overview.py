"""The first page: what waits and runs, how fast it goes, which jobs fail, and who works."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ...objects.status import pause_objects
from ...options import queue_name
from . import charts
from .streaming import fragment, store_word
from .visit import Answer, Moved, Shown, Visit

if TYPE_CHECKING:
    from ..live import Whole


def show(visit: Visit) -> Answer:
    """The whole page."""
    assert visit.whole is not None
    paused = pause_objects(visit.client.store.pauses())
    return Shown("overview.html", facts(visit.whole) | {"paused": paused})


def facts(whole: Whole) -> dict[str, Any]:
    """What the parts of the page are filled with that change."""
    status = whole.status
    totals = {
        state: sum(row[state] for row in status["queues"])
        for state in ("queued", "running", "scheduled")
    }
    return {
        "status": status,
        "totals": totals,
        "activity": whole.activity,
        "throughput": charts.throughput(whole.activity),
        "durations": charts.durations(whole.activity),
        "quote": quote,
    }


async def live(visit: Visit) -> AsyncGenerator[str]:
    """The parts that change, whenever they are known anew."""
    async with aclosing(visit.live.follow(whole=True)) as following:
        async for news in following:
            told = store_word(news)
            if told is not None:
                yield told
            if news is not None and news.whole is not None:
                filled = facts(news.whole) | {"visit": visit, "base": visit.base}
                yield fragment("numbers", "overview_numbers.html", filled)
                yield fragment("queues", "overview_queues.html", filled)
                yield fragment("activity", "overview_activity.html", filled)
                yield fragment("workers", "overview_workers.html", filled)


def pause(visit: Visit) -> Answer:
    """Pause a queue, and show the page again."""
    visit.client.store.pause("queue", queue_name(visit.path["queue"]))
    return Moved("/")


def resume(visit: Visit) -> Answer:
    """Resume a queue, and show the page again."""
    visit.client.store.resume("queue", queue_name(visit.path["queue"]))
    return Moved("/")
