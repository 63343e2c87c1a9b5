"""The REST interface: workers, queues, pauses, how all stands, and whether this answers at all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import BadInput, NotFound, StoreError
from ..objects.jobs import check_known
from ..objects.status import pause_objects, status_object, worker_details
from ..options import queue_name
from ..registry.entry_points import name_fault
from ..store.schema import require
from .asked import Asked
from .problems import Problem, problem_of

if TYPE_CHECKING:
    from ..store import Store

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
    return drain(asked.client.store, asked.path["worker_id"])


def drain(store: Store, worker_id: str) -> dict[str, Any]:
    """Ask a worker to end, and tell that it was asked.

    Raises:
        NotFound: no live worker has that id.
    """
    # Some databases do not take a null byte in a text.
    if not worker_id.isprintable() or not store.ask_worker(worker_id, "drain"):
        raise NotFound(f"No live worker has the id {worker_id[:80]!r}. See: jobreg workers list")
    return {"asked": [worker_id]}


def list_queues(asked: Asked) -> dict[str, Any]:
    """What waits and runs by queue and job, and which queues and jobs are paused."""
    store = asked.client.store
    return {"queues": status_object(store)["queues"], "paused": pause_objects(store.pauses())}


def pause_queue(asked: Asked) -> dict[str, Any]:
    """Let nobody claim queued runs of a queue; what runs goes on."""
    return pause(asked.client.store, "queue", asked.path["queue"])


def resume_queue(asked: Asked) -> dict[str, Any]:
    """Let queued runs of a queue be claimed again."""
    return resume(asked.client.store, "queue", asked.path["queue"])


def pause_job(asked: Asked) -> dict[str, Any]:
    """Let nobody claim queued runs of a job; 404 for one that nobody knows."""
    check_known(asked.client, asked.path["job_name"])
    return pause(asked.client.store, "job", asked.path["job_name"])


def resume_job(asked: Asked) -> dict[str, Any]:
    """Let queued runs of a job be claimed again."""
    return resume(asked.client.store, "job", asked.path["job_name"])


def pause(store: Store, kind: str, name: str) -> dict[str, Any]:
    """Pause a ``queue`` or ``job``, and tell whether that changed anything.

    Raises:
        BadInput: nothing of that kind can have that name.
    """
    changed = store.pause(kind, _checked(kind, name))
    return {"kind": kind, "name": name, "state": "paused", "changed": changed}


def resume(store: Store, kind: str, name: str) -> dict[str, Any]:
    """End the pause of a ``queue`` or ``job``; else as :func:`pause`."""
    changed = store.resume(kind, _checked(kind, name))
    return {"kind": kind, "name": name, "state": "resumed", "changed": changed}


def _checked(kind: str, name: str) -> str:
    if kind == "queue":
        return queue_name(name)
    fault = name_fault(name)
    if fault:
        raise BadInput(fault)
    return name
