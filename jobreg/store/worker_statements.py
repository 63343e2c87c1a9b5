"""The SQL about workers: their rows are the leases of what they run."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    Delete,
    Insert,
    Select,
    String,
    Update,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from .statements import Now, in_micros
from .tables import live, workers


@cache
def worker_is_live() -> Select[Any]:
    """Is :of_worker live? It cannot be declared dead until this transaction ends."""
    return (
        select(workers.c.worker_id)
        .where(workers.c.worker_id == bindparam("of_worker"), workers.c.state == "live")
        .with_for_update(read=True)
    )


@cache
def insert_worker(now: Now) -> Insert:
    """Register a supervisor; the row is its lease of :lease_us microseconds."""
    given = (
        "worker_id", "host", "pid", "pid_started", "boot_id", "pid_namespace", "jobreg_version",
        "concurrency", "queues", "names", "lease",
    )  # fmt: skip
    return insert(workers).values(
        **{name: bindparam(name) for name in given},
        state="live",
        beat=0,
        started_at=now,
        beat_at=now,
        expires_at=now + in_micros("lease_us"),
    )


@cache
def renew(now: Now) -> Update:
    """Beat: renew the lease of :of_worker and say which names it provides."""
    return (
        update(workers)
        .where(workers.c.worker_id == bindparam("of_worker"), workers.c.state == "live")
        .values(
            beat=workers.c.beat + 1,
            beat_at=now,
            expires_at=now + in_micros("lease_us"),
            names=bindparam("to_names"),
            condition=bindparam("to_condition", type_=String),
        )
    )


@cache
def ask_worker() -> Update:
    """Ask the live worker :of_worker for :to_asked."""
    return (
        update(workers)
        .where(workers.c.worker_id == bindparam("of_worker"), workers.c.state == "live")
        .values(asked=bindparam("to_asked"))
    )


@cache
def all_workers(now: Now) -> Select[Any]:
    """Every worker row, with the clock."""
    return select(workers, now.label("now"))


@cache
def fence_worker() -> Update:
    """Declare :of_worker dead, if it has not beaten since :seen_beat was seen."""
    return (
        update(workers)
        .where(
            workers.c.worker_id == bindparam("of_worker"),
            workers.c.beat == bindparam("seen_beat"),
            workers.c.state == "live",
        )
        .values(state="fenced")
    )


@cache
def lock_worker() -> Select[Any]:
    """Wait for the claims that hold the row of :of_worker."""
    return (
        select(workers.c.worker_id)
        .where(workers.c.worker_id == bindparam("of_worker"))
        .with_for_update()
    )


@cache
def forget_worker() -> Delete:
    """Delete a worker row that no live row names."""
    named = select(live.c.seq).where(live.c.worker_id == workers.c.worker_id).exists()
    return delete(workers).where(workers.c.worker_id == bindparam("of_worker"), ~named)
