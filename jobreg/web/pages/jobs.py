"""The registry: every job, whose it is, and what is wrong with any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from ...objects.jobs import problem_object
from ..jobs import every_job

if TYPE_CHECKING:
    from ...client import Client
    from .visit import Visit


async def show(visit: Visit) -> Response:
    """The page; ``q`` is what names or providers must contain."""
    wanted = (visit.asked("q") or "")[:200]
    rows, problems = await visit.do(_read, visit.client)
    found = [each for each in rows if wanted.lower() in _told(each)]
    return visit.page("jobs.html", jobs=found, total=len(rows), wanted=wanted, problems=problems)


def _told(row: dict[str, Any]) -> str:
    """A job's name and its provider, or all that claim the name."""
    dists = [row["dist"], *(each["dist"] for each in row.get("claimants", ()))]
    return " ".join([row["name"], *filter(None, dists)]).lower()


def _read(client: Client) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    problems = [problem_object(each) for each in client.registry.snapshot().problems]
    return every_job(client), problems
