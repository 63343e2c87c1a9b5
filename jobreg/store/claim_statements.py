"""SQL by which workers learn what is due and claim it."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Delete,
    Insert,
    Select,
    String,
    Update,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    union_all,
    update,
)

from .offers import Basis
from .statements import Now
from .tables import QUEUED, RUNNING, SCHEDULED, live, pauses, runs

_BY_HEADS = "FORCE INDEX (jobreg_live_heads)"


@cache
def stage_due(now: Now) -> Update:
    """Queue the scheduled runs that are due."""
    return (
        update(live).where(live.c.state == SCHEDULED, live.c.due_at <= now).values(state="queued")
    )


@cache
def due_scheduled(now: Now) -> Select[Any]:
    """The rows of scheduled runs that are due, at most :most, but for those that others lock."""
    return (
        select(live.c.seq)
        .where(live.c.state == SCHEDULED, live.c.due_at <= now)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
    )


@cache
def stage() -> Update:
    """Queue the scheduled runs with the rows :seqs."""
    return (
        update(live).where(live.c.seq.in_(bindparam("seqs", expanding=True))).values(state="queued")
    )


@cache
def next_due(now: Now) -> Select[Any]:
    """Microseconds until the next scheduled run is due; NULL when there is none."""
    return select(func.min(live.c.due_at) - now).where(live.c.state == SCHEDULED)


@cache
def due_names() -> Select[Any]:
    """Each (queue, job name) with queued runs, by jumping from one to the next in the index.

    A loose index scan: its cost follows the number of names, not the number of runs.
    """
    queued = live.c.state == QUEUED
    queues = select(func.min(live.c.queue).label("queue")).where(queued).cte("q", recursive=True)
    queues = queues.union_all(
        select(
            select(func.min(live.c.queue))
            .where(queued, live.c.queue > queues.c.queue)
            .scalar_subquery()
        ).where(queues.c.queue.is_not(None))
    )
    first = (
        select(func.min(live.c.job_name))
        .where(queued, live.c.queue == queues.c.queue)
        .scalar_subquery()
    )
    names = (
        select(queues.c.queue, first.label("job_name"))
        .where(queues.c.queue.is_not(None))
        .cte("n", recursive=True)
    )
    following = (
        select(func.min(live.c.job_name))
        .where(queued, live.c.queue == names.c.queue, live.c.job_name > names.c.job_name)
        .scalar_subquery()
    )
    names = names.union_all(select(names.c.queue, following).where(names.c.job_name.is_not(None)))
    return select(names.c.queue, names.c.job_name).where(
        names.c.job_name.is_not(None), ~_paused(names.c.queue, names.c.job_name)
    )


def _paused(queue: ColumnElement[str], job_name: ColumnElement[str]) -> ColumnElement[bool]:
    """Is the queue or the job paused?"""
    of_queue = and_(pauses.c.kind == "queue", pauses.c.name == queue)
    of_job = and_(pauses.c.kind == "job", pauses.c.name == job_name)
    return select(pauses.c.name).where(or_(of_queue, of_job)).exists()


@cache
def next_due_name() -> Select[Any]:
    """The first (queue, job name) with queued runs after :queue and :name; one jump."""
    queue, name = bindparam("queue", type_=String), bindparam("name", type_=String)
    later = or_(live.c.queue > queue, and_(live.c.queue == queue, live.c.job_name > name))
    return (
        select(live.c.queue, live.c.job_name)
        .where(live.c.state == QUEUED, later)
        .order_by(live.c.queue, live.c.job_name)
        .limit(1)
        .with_hint(live, _BY_HEADS, "mysql")
    )


@cache
def next_due_names() -> Select[Any]:
    """Which (queue, job name) the first :most queued runs after :queue and :name have, and how many
    of them each.
    """
    some = next_due_name().limit(None).limit(bindparam("most")).subquery("first_ones")
    place = some.c.queue, some.c.job_name
    return select(*place, func.count().label("runs")).group_by(*place).order_by(*place)


@cache
def all_pauses() -> Select[Any]:
    """What is paused, and since when."""
    return select(pauses).order_by(pauses.c.kind, pauses.c.name)


@cache
def pause_of() -> Select[Any]:
    """The pause of :name, a ``queue`` or ``job`` as :kind says."""
    return select(pauses).where(
        pauses.c.kind == bindparam("kind"), pauses.c.name == bindparam("name")
    )


@cache
def add_pause(now: Now) -> Insert:
    """Pause :name."""
    return insert(pauses).values(kind=bindparam("kind"), name=bindparam("name"), paused_at=now)


@cache
def drop_pause() -> Delete:
    """End the pause of :of_name, a ``queue`` or ``job`` as :of_kind says."""
    return delete(pauses).where(
        pauses.c.kind == bindparam("of_kind"), pauses.c.name == bindparam("of_name")
    )


def _heads(place: str = "") -> Select[Any]:
    """The first :most queued runs of :name in :queue; with a ``place`` behind each of these."""
    return (
        select(
            live.c.seq,
            live.c.priority,
            live.c.due_at,
            live.c.job_name,
            live.c.suspect,
            live.c.max_attempts,
            live.c.max_crashes,
        )
        .where(
            live.c.state == QUEUED,
            live.c.queue == bindparam(f"queue{place}"),
            live.c.job_name == bindparam(f"name{place}"),
        )
        .order_by(live.c.priority.desc(), live.c.due_at, live.c.seq)
        .limit(bindparam(f"most{place}"))
        # A plan that sorts would lock all it sorts.
        .with_hint(live, _BY_HEADS, "mysql")
    )


@cache
def heads() -> Select[Any]:
    """The first :most queued runs of :name in :queue that nobody else is claiming."""
    return _heads().with_for_update(skip_locked=True)


@cache
def heads_of_several(number: int) -> CompoundSelect[Any]:
    """The first :most0 queued runs of :name0 in :queue0, and so on; kept from nobody."""
    places = map(str, range(number))
    return union_all(*(_heads(each).add_columns(literal_column(each)) for each in places))


@cache
def keep() -> Select[Any]:
    """Those of the rows :seqs that are queued and that nobody else is claiming."""
    return (
        select(live.c.seq)
        .where(live.c.seq.in_(bindparam("seqs", expanding=True)), live.c.state == QUEUED)
        .with_hint(live, "FORCE INDEX (PRIMARY)", "mysql")
        .with_for_update(skip_locked=True)
    )


@cache
def route_queue() -> Update:
    """Move queued runs of :name whose submitter named no queue from :of_queue to :to_queue."""
    return (
        update(live)
        .where(
            live.c.state == QUEUED,
            live.c.queue == bindparam("of_queue"),
            live.c.job_name == bindparam("name"),
            live.c.queue_by_default == 1,
        )
        .values(queue=bindparam("to_queue"), queue_by_default=0)
    )


@cache
def route_priority() -> Update:
    """Give queued runs of :name whose submitter named no priority the job's own."""
    return (
        update(live)
        .where(
            live.c.state == QUEUED,
            live.c.queue == bindparam("of_queue"),
            live.c.job_name == bindparam("name"),
            live.c.priority == 0,
            live.c.priority_by_default == 1,
        )
        .values(priority=bindparam("to_priority"), priority_by_default=0)
    )


@cache
def running_counts() -> Select[Any]:
    """How many runs of each of :names run now, over all workers."""
    return (
        select(live.c.job_name, func.count())
        # What runs has a worker, and only by that there is an index to it.
        .where(
            live.c.state == RUNNING,
            live.c.worker_id.is_not(None),
            live.c.job_name.in_(bindparam("names", expanding=True)),
        )
        .group_by(live.c.job_name)
    )


def claiming(worker_id: str, basis: Basis) -> dict[str, Any]:
    """What :func:`take` and :func:`take_one` are to note: who claims, and on what."""
    return {
        "of_worker": worker_id,
        "of_dist": basis.provider.dist,
        "of_version": basis.provider.version,
        "tries_allowed": basis.max_attempts,
        "crashes_allowed": basis.max_crashes,
    }


def _claimed(now: Now) -> dict[str, Any]:
    return {
        "state": "running",
        "attempt": live.c.attempt + 1,
        "worker_id": bindparam("of_worker"),
        "dist": bindparam("of_dist"),
        "version": bindparam("of_version"),
        "started_at": now,
        "try_limit": func.coalesce(live.c.max_attempts, bindparam("tries_allowed")),
        "crash_limit": func.coalesce(live.c.max_crashes, bindparam("crashes_allowed")),
    }


@cache
def take(now: Now) -> Update:
    """Claim the queued rows :seqs of one job: raise the fence, note worker and limits."""
    return (
        update(live)
        .where(live.c.seq.in_(bindparam("seqs", expanding=True)), live.c.state == QUEUED)
        .values(**_claimed(now))
    )


@cache
def take_one(now: Now) -> Update:
    """Claim :of_run alone, queued or due later."""
    return (
        update(live)
        .where(live.c.run_id == bindparam("of_run"), live.c.state.in_(("queued", "scheduled")))
        .values(**_claimed(now))
    )


def _claims(now: Now) -> Select[Any]:
    return select(
        live.c.seq,
        live.c.run_id,
        live.c.attempt,
        live.c.tries,
        live.c.crashes,
        runs.c.params,
        runs.c.timeout,
        runs.c.max_attempts,
        runs.c.max_crashes,
        runs.c.max_age,
        (now - runs.c.scheduled_at).label("age"),
        live.c.suspect,
    ).join(runs, runs.c.run_id == live.c.run_id)


@cache
def claimed(now: Now) -> Select[Any]:
    """What a worker needs of the rows :seqs it just took."""
    return _claims(now).where(
        live.c.seq.in_(bindparam("seqs", expanding=True)),
        live.c.worker_id == bindparam("of_worker"),
        live.c.state == RUNNING,
    )


@cache
def claimed_one(now: Now) -> Select[Any]:
    """What a worker needs of :of_run, which it just took."""
    return _claims(now).where(
        live.c.run_id == bindparam("of_run"),
        live.c.worker_id == bindparam("of_worker"),
        live.c.state == RUNNING,
    )
