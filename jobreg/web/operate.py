"""The REST interface: workers, queues, how the whole stands, and whether this answers at all."""

from __future__ import annotations

import logging
from typing import Any

from .. import __version__
from ..errors import NotFound, StoreError
from ..objects.status import pause_objects, status_object, worker_details
from ..options import queue_name
from ..store.schema import require
from .asked import Asked
from .problems import Problem, problem_of

_LOG = logging.getLogger("jobreg")


def health(_: Asked) -> dict[str, Any]:
    """Whether this process answers; asks nobody else."""
    return {"status": "ok", "version": __version__}


def ready(asked: Asked) -> dict[str, Any]:
    """Whether the store can be reached, and has the tables of this jobreg; else 503."""
    try:
        require(asked.client.store)
    except StoreError as error:
        # Anybody may ask this: where the store is, and as whom it is asked, is for the log.
        _LOG.warning("not ready: %s", error)
        told = problem_of(error)
        detail = "The store is not ready; the log of this server tells why."
        raise Problem(told.status, told.code, detail, told.headers) from error
    return {"status": "ready", "version": __version__}


def status(asked: Asked) -> dict[str, Any]:
    """What waits and runs by queue and job, the rate, and the workers."""
    return status_object(asked.client.store)


def list_workers(asked: Asked) -> dict[str, Any]:
    """Every worker: live, draining, degraded or dead, and how many of its slots are busy."""
    return {"workers": worker_details(asked.client.store)}


def drain_worker(asked: Asked) -> dict[str, Any]:
    """Ask a worker to end, as SIGTERM does: it claims no more and lets running jobs finish."""
    worker_id = asked.path["worker_id"]
    # Some databases do not take a null byte in a text.
    if not worker_id.isprintable() or not asked.client.store.ask_worker(worker_id, "drain"):
        raise NotFound(f"No live worker has the id {worker_id[:80]!r}. See: jobreg workers list")
    return {"asked": [worker_id]}


def list_queues(asked: Asked) -> dict[str, Any]:
    """What waits and runs by queue and job, and which queues and jobs are paused."""
    store = asked.client.store
    return {"queues": status_object(store)["queues"], "paused": pause_objects(store.pauses())}


def pause_queue(asked: Asked) -> dict[str, Any]:
    """Let nobody claim queued runs of a queue; what runs goes on."""
    return _told(asked, "paused")


def resume_queue(asked: Asked) -> dict[str, Any]:
    """Let queued runs of a queue be claimed again."""
    return _told(asked, "resumed")


def _told(asked: Asked, done: str) -> dict[str, Any]:
    queue, store = queue_name(asked.path["queue"]), asked.client.store
    changed = (store.pause if done == "paused" else store.resume)("queue", queue)
    return {"kind": "queue", "name": queue, "state": done, "changed": changed}
