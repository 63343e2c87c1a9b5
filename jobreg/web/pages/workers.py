"""Who works on the store: each worker with its slots, queues and names, and a way to end it."""

from __future__ import annotations

from ...objects.status import worker_details
from ..operate import drain_worker
from .visit import Answer, Moved, Shown, Visit


def show(visit: Visit) -> Answer:
    """The whole page."""
    return Shown("workers.html", {"workers": worker_details(visit.client.store)})


def drain(visit: Visit) -> Answer:
    """Ask a worker to end, and show them all."""
    drain_worker(visit.as_asked())
    return Moved("/workers")
