"""SQL of a worker about the runs it holds, each write under the run's fence."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    Delete,
    Insert,
    Integer,
    Select,
    Text,
    Update,
    and_,
    bindparam,
    case,
    delete,
    insert,
    null,
    select,
    update,
)

from .statements import Now, in_micros
from .tables import RUNNING, attempts, live, logs, runs

_FENCE = and_(
    live.c.run_id == bindparam("of_run"),
    live.c.attempt == bindparam("of_attempt"),
    live.c.worker_id == bindparam("of_worker"),
    live.c.state == RUNNING,
)


@cache
def held(now: Now) -> Select[Any]:
    """The rows of :run_ids that :of_worker runs, whole, locked, with the clock.

    MySQL locks each row it looks at: left to choose, it came by all that run, or by the whole
    table, and waited for what other workers held.
    """
    return (
        select(live, now.label("now"))
        .where(
            live.c.run_id.in_(bindparam("run_ids", expanding=True)),
            live.c.worker_id == bindparam("of_worker"),
            live.c.state == RUNNING,
        )
        .order_by(live.c.seq)
        .with_hint(live, "FORCE INDEX (run_id)", "mysql")
        .with_hint(live, "FORCE INDEX (run_id)", "mariadb")  # an engine of the job's own
        .with_for_update()
    )


@cache
def holding() -> Select[Any]:
    """The runs that :of_worker holds, by what the store says."""
    names = ("run_id", "attempt", "tries", "crashes", "suspect", "job_name")
    return select(*(live.c[name] for name in names)).where(
        live.c.worker_id == bindparam("of_worker"), live.c.state == RUNNING
    )


@cache
def recorded() -> Select[Any]:
    """Which of :run_ids have an attempt recorded by :of_worker."""
    return select(attempts.c.run_id, attempts.c.attempt, attempts.c.outcome).where(
        attempts.c.run_id.in_(bindparam("run_ids", expanding=True)),
        attempts.c.worker_id == bindparam("of_worker"),
    )


@cache
def insert_attempts() -> Insert:
    """Keep how attempts came out."""
    return insert(attempts)


@cache
def finish_live() -> Delete:
    """Take a run out of the live table, under its fence."""
    return delete(live).where(_FENCE)


@cache
def finish_runs() -> Update:
    """Write what came out of :of_run; the fence was checked in this transaction."""
    written = (
        "state", "reason", "result", "error_type", "error_message", "error_traceback", "attempt",
        "tries", "crashes", "started_at", "finished_at", "progress", "dist", "version",
        "worker_id", "queue", "priority",
    )  # fmt: skip
    return (
        update(runs)
        .where(runs.c.run_id == bindparam("of_run"), runs.c.state.is_(None))
        .values(**{name: bindparam(f"to_{name}") for name in written})
    )


@cache
def put_back(now: Now) -> Update:
    """Let a run wait again, under its fence: :to_state, due in :delay microseconds."""
    return (
        update(live)
        .where(_FENCE)
        .values(
            state=bindparam("to_state"),
            due_at=case((in_micros("delay") > 0, now + in_micros("delay")), else_=live.c.due_at),
            tries=bindparam("to_tries"),
            crashes=bindparam("to_crashes"),
            suspect=bindparam("to_suspect"),
            worker_id=null(),
            started_at=null(),
        )
    )


@cache
def live_of() -> Select[Any]:
    """Which of :run_ids there are live rows of."""
    return select(live.c.run_id).where(live.c.run_id.in_(bindparam("run_ids", expanding=True)))


@cache
def not_locked_of() -> Select[Any]:
    """Of :run_ids those whose rows nobody else locks; they are kept from others."""
    return (
        select(live.c.run_id)
        .join(runs, runs.c.run_id == live.c.run_id)
        .where(live.c.run_id.in_(bindparam("run_ids", expanding=True)))
        .with_hint(live, "FORCE INDEX (run_id)", "mysql")
        .with_hint(runs, "FORCE INDEX (run_id)", "mysql")
        .with_for_update(skip_locked=True)
    )


@cache
def note_progress() -> Update:
    """Write how far a run has come, under its fence."""
    return update(live).where(_FENCE).values(progress=bindparam("to_progress"))


@cache
def cancels_asked() -> Select[Any]:
    """Which runs of :of_worker somebody wants cancelled."""
    return select(live.c.run_id, live.c.attempt).where(
        live.c.worker_id == bindparam("of_worker"),
        live.c.state == RUNNING,
        live.c.cancel_requested > 0,
    )


@cache
def insert_logs(now: Now) -> Insert:
    """Keep :body as row :number of a running attempt's log, under its fence; again, nothing."""
    number = bindparam("number", type_=Integer)
    there = select(logs.c.number).where(
        logs.c.run_id == live.c.run_id, logs.c.attempt == live.c.attempt, logs.c.number == number
    )
    row = select(live.c.run_id, live.c.attempt, number, now, bindparam("body", type_=Text)).where(
        _FENCE, ~there.exists()
    )
    return insert(logs).from_select(["run_id", "attempt", "number", "at", "body"], row)
