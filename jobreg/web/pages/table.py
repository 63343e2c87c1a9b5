"""The pages on one page: each path, the role it wants, and what answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from attrs import frozen
from starlette.responses import Response

from . import assets, changes, job, jobs, login, overview, run, runs, workers

if TYPE_CHECKING:
    from .visit import Visit


@frozen(kw_only=True)
class Page:
    """One page, or one thing that a form on a page does.

    ``role`` is the weakest that may, None where nobody needs a token.
    """

    method: str
    path: str
    role: str | None
    handle: Callable[[Visit], Awaitable[Response]]


PAGES: tuple[Page, ...] = (
    Page(method="GET", path="/login", role=None, handle=login.show),
    Page(method="POST", path="/login", role=None, handle=login.log_in),
    Page(method="GET", path="/static/{name}", role=None, handle=assets.show),
    Page(method="POST", path="/logout", role="read", handle=login.log_out),
    Page(method="GET", path="/", role="read", handle=overview.show),
    Page(method="GET", path="/live", role="read", handle=overview.live),
    Page(method="POST", path="/queues/{queue}/pause", role="operate", handle=overview.pause),
    Page(method="POST", path="/queues/{queue}/resume", role="operate", handle=overview.resume),
    Page(method="GET", path="/jobs", role="read", handle=jobs.show),
    Page(method="GET", path="/jobs/{job_name}", role="read", handle=job.show),
    Page(method="POST", path="/jobs/{job_name}", role="submit", handle=job.submit),
    Page(method="POST", path="/jobs/{job_name}/pause", role="operate", handle=job.pause),
    Page(method="POST", path="/jobs/{job_name}/resume", role="operate", handle=job.resume),
    Page(method="GET", path="/runs", role="read", handle=runs.show),
    Page(method="GET", path="/runs/live", role="read", handle=runs.live),
    Page(method="POST", path="/runs/cancel", role="operate", handle=changes.cancel),
    Page(method="POST", path="/runs/retry", role="operate", handle=changes.retry),
    Page(method="GET", path="/runs/{run_id}", role="read", handle=run.show),
    Page(method="GET", path="/runs/{run_id}/live", role="read", handle=run.live),
    Page(method="POST", path="/runs/{run_id}/cancel", role="operate", handle=run.cancel),
    Page(method="POST", path="/runs/{run_id}/retry", role="operate", handle=run.retry),
    Page(method="GET", path="/workers", role="read", handle=workers.show),
    Page(method="GET", path="/workers/live", role="read", handle=workers.live),
    Page(method="POST", path="/workers/{worker_id}/drain", role="operate", handle=workers.drain),
)
"""Every page; the first that fits is taken."""
