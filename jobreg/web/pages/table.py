"""The dashboard on one page: each page and form, and the role it wants."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from attrs import frozen

from . import jobs, overview, run, runs, workers
from .visit import Answer, Visit


@frozen(kw_only=True)
class Page:
    """One page, or what a form is sent to.

    ``role`` is the weakest that may; ``whole`` says that it shows how everything stands; ``stream``
    is what goes on telling, in place of a page.
    """

    method: str
    path: str
    role: str
    handle: Callable[[Visit], Answer] | None = None
    whole: bool = False
    stream: Callable[[Visit], AsyncGenerator[str]] | None = None


_RUN, _JOB, _QUEUE = "/runs/{run_id}", "/jobs/{job_name}", "/queues/{queue}"

PAGES: tuple[Page, ...] = (
    Page(method="GET", path="/", role="read", handle=overview.show, whole=True),
    Page(method="GET", path="/live", role="read", stream=overview.live),
    Page(method="POST", path=f"{_QUEUE}/pause", role="operate", handle=overview.pause),
    Page(method="POST", path=f"{_QUEUE}/resume", role="operate", handle=overview.resume),
    Page(method="GET", path="/jobs", role="read", handle=jobs.show_all),
    Page(method="GET", path=_JOB, role="read", handle=jobs.show),
    Page(method="POST", path=_JOB, role="submit", handle=jobs.submit),
    Page(method="POST", path=f"{_JOB}/pause", role="operate", handle=jobs.pause),
    Page(method="POST", path=f"{_JOB}/resume", role="operate", handle=jobs.resume),
    Page(method="GET", path="/runs", role="read", handle=runs.show),
    Page(method="GET", path="/runs/live", role="read", stream=runs.live),
    Page(method="POST", path="/runs/cancel", role="operate", handle=runs.cancel),
    Page(method="POST", path="/runs/retry", role="operate", handle=runs.retry),
    Page(method="GET", path=_RUN, role="read", handle=run.show),
    Page(method="GET", path=f"{_RUN}/live", role="read", stream=run.live),
    Page(method="POST", path=f"{_RUN}/cancel", role="operate", handle=run.cancel),
    Page(method="POST", path=f"{_RUN}/retry", role="operate", handle=run.retry),
    Page(method="GET", path="/workers", role="read", handle=workers.show),
    Page(method="POST", path="/workers/{worker_id}/drain", role="operate", handle=workers.drain),
)
"""Every page; the first that fits is taken. Beside them are ``/login``, ``/logout`` and files."""
