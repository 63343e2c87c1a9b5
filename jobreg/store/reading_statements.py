"""The SQL that only reads: runs, attempts, logs, and how much of what there is."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
)

from .statements import Now, in_micros
from .tables import QUEUED, RUNNING, SCHEDULED, attempts, live, logs, runs


@cache
def clock(now: Now) -> Select[Any]:
    """What the database's clock says."""
    return select(now)


def whole_runs() -> Select[Any]:
    """Runs as they stand, live columns first."""

    def first(name: str) -> ColumnElement[Any]:
        return func.coalesce(live.c[name], runs.c[name]).label(name)

    lately = (
        "state", "queue", "priority", "attempt", "tries", "crashes", "started_at", "progress",
        "worker_id", "dist", "version",
    )  # fmt: skip
    settled = [column for column in runs.c if column.name not in lately]
    return (
        select(
            *settled,
            *(first(name) for name in lately),
            func.coalesce(live.c.due_at, runs.c.scheduled_at).label("due_at"),
            live.c.seq.label("live_seq"),
        )
        .select_from(runs)
        .join(live, live.c.run_id == runs.c.run_id, isouter=True)
    )


@cache
def runs_by_id() -> Select[Any]:
    """The runs :run_ids as they stand."""
    return whole_runs().where(runs.c.run_id.in_(bindparam("run_ids", expanding=True)))


@cache
def ids_between() -> Select[Any]:
    """Run ids from :first to :last, at most :most, from the index of ids."""
    return (
        select(runs.c.run_id)
        .where(runs.c.run_id >= bindparam("first"), runs.c.run_id <= bindparam("last"))
        .order_by(runs.c.run_id)
        .limit(bindparam("most"))
    )


@cache
def depths(now: Now) -> Select[Any]:
    """Unfinished runs by queue, job name and state, with the age of the oldest due time."""
    group = (live.c.queue, live.c.job_name, live.c.state)
    counted = select(
        *group, func.count().label("number"), (now - func.min(live.c.due_at)).label("age")
    ).group_by(*group)
    # Of those that are queued, mostly the many, an index alone tells.
    parts = union_all(counted.where(live.c.state == QUEUED), counted.where(live.c.state != QUEUED))
    found = parts.subquery()
    return select(found).order_by(found.c.queue, found.c.job_name, found.c.state)


@cache
def settled_lately(now: Now) -> Select[Any]:
    """By final state: how many runs ended in the last :window microseconds, and the first's age.

    Looks at the :most youngest runs of each state: no index is kept by the time of the end, and
    history may be long. Where all :most are that young, the age says how long they took.
    """
    parts = []
    for state in ("succeeded", "failed", "cancelled"):
        young = (
            select(runs.c.state, runs.c.finished_at)
            .where(runs.c.state == literal(state))
            .order_by(runs.c.seq.desc())
            .limit(bindparam("most"))
            .subquery(state)
        )
        parts.append(
            select(
                literal(state).label("state"),
                func.count().label("number"),
                (now - func.min(young.c.finished_at)).label("age"),
            ).where(young.c.finished_at > now - in_micros("window"))
        )
    return select(literal_column("*")).select_from(union_all(*parts).subquery())


@cache
def busy_slots() -> Select[Any]:
    """How many runs each worker executes or holds."""
    return (
        select(live.c.worker_id, func.count())
        .where(live.c.worker_id.is_not(None))
        .group_by(live.c.worker_id)
    )


@cache
def ahead_of() -> Select[Any]:
    """How many queued runs of the same queue come before :of_run, whatever their job."""
    of_run = live.alias("of_run")
    return (
        select(func.count())
        .select_from(live.join(of_run, of_run.c.run_id == bindparam("of_run")))
        .where(
            live.c.state == QUEUED,
            live.c.queue == of_run.c.queue,
            or_(
                live.c.priority > of_run.c.priority,
                and_(
                    live.c.priority == of_run.c.priority,
                    or_(
                        live.c.due_at < of_run.c.due_at,
                        and_(live.c.due_at == of_run.c.due_at, live.c.seq < of_run.c.seq),
                    ),
                ),
            ),
        )
    )


@cache
def attempts_of_run() -> Select[Any]:
    """The attempts of :of_run, oldest first."""
    return (
        select(attempts)
        .where(attempts.c.run_id == bindparam("of_run"))
        .order_by(attempts.c.attempt)
    )


@cache
def count_runs() -> Select[Any]:
    """How many runs are in each state."""
    counted = select(live.c.state, func.count().label("n")).group_by(live.c.state)
    # Each from an index that holds no others.
    unfinished = [
        counted.where(live.c.state == QUEUED),
        counted.where(live.c.state == SCHEDULED),
        counted.where(live.c.state == RUNNING, live.c.worker_id.is_not(None)),
    ]
    finished = (
        select(runs.c.state, func.count().label("n"))
        .where(runs.c.state.is_not(None))
        .group_by(runs.c.state)
    )
    return select(literal_column("*")).select_from(union_all(*unfinished, finished).subquery())


@cache
def waiting_now(now: Now) -> Select[Any]:
    """How many queued or due runs of each queue and job name wait."""
    of_job = live.c.queue, live.c.job_name
    counted = select(*of_job, func.count().label("n")).where(live.c.due_at <= now).group_by(*of_job)
    parts = union_all(
        counted.where(live.c.state == QUEUED), counted.where(live.c.state == SCHEDULED)
    ).subquery()
    job = parts.c.queue, parts.c.job_name
    return select(*job, func.sum(parts.c.n)).group_by(*job)


@cache
def logs_of_run(one_attempt: bool) -> Select[Any]:
    """The first :most rows of the log of :of_run after row :number of attempt :attempt."""
    later = and_(logs.c.attempt == bindparam("attempt"), logs.c.number > bindparam("number"))
    if not one_attempt:
        later = or_(later, logs.c.attempt > bindparam("attempt"))
    return (
        select(logs)
        .where(logs.c.run_id == bindparam("of_run"), later)
        .order_by(logs.c.attempt, logs.c.number)
        .limit(bindparam("most"))
    )


@cache
def logs_before() -> Select[Any]:
    """The last :most rows of the log of :of_run up to row :number of attempt :attempt."""
    earlier = or_(
        logs.c.attempt < bindparam("attempt"),
        and_(logs.c.attempt == bindparam("attempt"), logs.c.number <= bindparam("number")),
    )
    return (
        select(logs)
        .where(logs.c.run_id == bindparam("of_run"), earlier)
        .order_by(logs.c.attempt.desc(), logs.c.number.desc())
        .limit(bindparam("most"))
    )


@cache
def logs_of_several(number: int) -> Select[Any]:
    """The first :most rows of the logs of so many runs, :run_0 after row :number_0 of :attempt_0.

    Each place is another condition, so that each is looked up in the index.
    """
    return (
        select(logs)
        .where(
            or_(
                *(
                    and_(
                        logs.c.run_id == bindparam(f"run_{each}"),
                        or_(
                            logs.c.attempt > bindparam(f"attempt_{each}"),
                            and_(
                                logs.c.attempt == bindparam(f"attempt_{each}"),
                                logs.c.number > bindparam(f"number_{each}"),
                            ),
                        ),
                    )
                    for each in range(number)
                )
            )
        )
        .order_by(logs.c.run_id, logs.c.attempt, logs.c.number)
        .limit(bindparam("most"))
    )
