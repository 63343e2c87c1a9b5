"""The REST interface on one page: each route, the role it wants, what it takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from . import jobs, openapi, operate, runs, streams
from .asked import Asked, Parameter
from .schemas import (
    CANCEL_MANY,
    FILTERS,
    RETRY_MANY,
    SUBMIT,
    TEXT,
    TRUTH,
    UUID,
    WHOLE,
    Schema,
    many,
)

BASE = "/api/v1"

Handler = Callable[[Asked], "dict[str, Any] | tuple[int, dict[str, Any]]"]


@frozen(kw_only=True)
class Route:
    """One thing that may be asked.

    ``role`` is the weakest that may, None where nobody needs a token; ``answer`` names the schema
    of what is given; ``stream`` is what goes on telling, where that is asked for; ``at_once`` says
    that it asks nobody, so that it answers also while all who ask the store wait for it.
    """

    method: str
    path: str
    role: str | None
    handle: Handler
    answer: str
    parameters: tuple[Parameter, ...] = ()
    body: Schema | None = None
    status: int = 200
    stream: streams.Stream | None = None
    at_once: bool = False

    @property
    def always_streams(self) -> bool:
        """Does it tell and go on, without being asked to?"""
        return self.stream is not None and "follow" not in {each.name for each in self.parameters}


def _unused(_: Asked) -> dict[str, Any]:
    """Of a route that only streams."""
    raise NotImplementedError


def _parameter(name: str, schema: Schema, about: str = "") -> Parameter:
    return Parameter(name=name, schema=schema, about=about or schema.get("description", ""))


_CURSOR = _parameter("cursor", TEXT, "Where the page before said that the next one is.")
_FILTERS = tuple(
    _parameter("tag" if name == "tags" else name, schema) for name, schema in FILTERS.items()
)
_PAGE = (
    *_FILTERS,
    _parameter("limit", WHOLE | {"minimum": 1, "maximum": 1000}, "At most this many; 50."),
    _CURSOR,
)
_LOG = (
    _parameter("attempt", WHOLE | {"minimum": 1, "maximum": 1_000_000}, "Only of this attempt."),
    _parameter(
        "level",
        {"enum": ["debug", "info", "warning", "error", "critical"]},
        "Only lines of at least this level.",
    ),
    _parameter("limit", WHOLE | {"minimum": 1, "maximum": 1000}, "At most this many; 1,000."),
    _CURSOR,
    _parameter(
        "follow", TRUTH, "Go on as server-sent events, until the run is over; limit is not heeded."
    ),
)
_FOLLOWED = _parameter(
    "run_id", many(UUID) | {"maxItems": 200}, "Tell of this run, whenever it has changed."
)

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET", path="/health", role=None, handle=operate.health, answer="Health",
        at_once=True,
    ),
    Route(method="GET", path="/ready", role=None, handle=operate.ready, answer="Health"),
    Route(method="GET", path="/openapi.json", role="read", handle=openapi.show, answer="Document"),
    Route(method="GET", path="/jobs", role="read", handle=jobs.list_jobs, answer="Jobs"),
    Route(method="GET", path="/jobs/{job_name}", role="read", handle=jobs.show_job, answer="Job"),
    Route(
        method="POST", path="/jobs/{job_name}/pause", role="operate", handle=operate.pause_job,
        answer="Pause",
    ),
    Route(
        method="POST", path="/jobs/{job_name}/resume", role="operate", handle=operate.resume_job,
        answer="Pause",
    ),
    Route(
        method="POST", path="/runs", role="submit", handle=runs.submit, answer="Run", body=SUBMIT,
        status=201,
    ),
    Route(
        method="GET", path="/runs", role="read", handle=runs.list_runs, answer="Runs",
        parameters=_PAGE,
    ),
    Route(
        method="POST", path="/runs/cancel", role="operate", handle=runs.cancel_many,
        answer="Changes", body=CANCEL_MANY,
    ),
    Route(
        method="POST", path="/runs/retry", role="operate", handle=runs.retry_many,
        answer="Changes", body=RETRY_MANY,
    ),
    Route(method="GET", path="/runs/{run_id}", role="read", handle=runs.show, answer="Run"),
    Route(
        method="GET", path="/runs/{run_id}/attempts", role="read", handle=runs.attempts,
        answer="Attempts",
    ),
    Route(
        method="GET", path="/runs/{run_id}/logs", role="read", handle=runs.logs, answer="Lines",
        parameters=_LOG, stream=streams.log_events,
    ),
    Route(
        method="GET", path="/runs/{run_id}/events", role="read", handle=_unused, answer="Run",
        stream=streams.run_events,
    ),
    Route(
        method="POST", path="/runs/{run_id}/cancel", role="operate", handle=runs.cancel,
        answer="Run",
    ),
    Route(
        method="POST", path="/runs/{run_id}/retry", role="operate", handle=runs.retry,
        answer="Run",
    ),
    Route(
        method="GET", path="/events", role="read", handle=_unused, answer="Status",
        parameters=(_FOLLOWED,), stream=streams.events,
    ),
    Route(method="GET", path="/status", role="read", handle=operate.status, answer="Status"),
    Route(
        method="GET", path="/workers", role="read", handle=operate.list_workers, answer="Workers"
    ),
    Route(
        method="POST", path="/workers/{worker_id}/drain", role="operate",
        handle=operate.drain_worker, answer="Drained",
    ),
    Route(method="GET", path="/queues", role="read", handle=operate.list_queues, answer="Queues"),
    Route(
        method="POST", path="/queues/{queue}/pause", role="operate", handle=operate.pause_queue,
        answer="Pause",
    ),
    Route(
        method="POST", path="/queues/{queue}/resume", role="operate", handle=operate.resume_queue,
        answer="Pause",
    ),
)  # fmt: skip
"""Every route; the first that fits is taken."""
