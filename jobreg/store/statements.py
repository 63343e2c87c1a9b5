"""Every SQL statement but those of one database: one function, one statement, none executed.

Each is built once. ``now`` is the SQL expression of the database's clock (microseconds UTC);
tests give a literal. Names after a colon in the docstrings are the bound parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Delete,
    Insert,
    Integer,
    Select,
    String,
    Text,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)

from .tables import attempts, live, logs, runs

Now = ColumnElement[int]

_FENCE = and_(
    live.c.run_id == bindparam("of_run"),
    live.c.attempt == bindparam("of_attempt"),
    live.c.worker_id == bindparam("of_worker"),
    live.c.state == "running",
)


_BY_HEADS = "FORCE INDEX (jobreg_live_heads)"


def _told(channel: str) -> ColumnElement[Any]:
    return func.pg_notify(literal(channel, String), literal("", String))


def in_micros(name: str) -> ColumnElement[int]:
    """A parameter in microseconds: more than 32 bits."""
    return bindparam(name, type_=BigInteger)


@cache
def given_now(read: Callable[[], int]) -> Now:
    """A clock that stands in for the database's: ``read`` is called at every execution."""
    return bindparam("given_now", callable_=read, type_=BigInteger())


# submit

ASKED = (
    "run_id", "job_name", "params", "queue", "priority", "timeout", "max_attempts",
    "max_crashes", "tags", "retried_from", "unique_key",
)  # fmt: skip
"""The columns of a run that its submitter fills."""


@cache
def insert_runs(now: Now) -> Insert:
    """Store what was asked. :at is an absolute due time or NULL, :delay microseconds."""
    return (
        insert(runs)
        .inline()
        .values(
            **{name: bindparam(name) for name in ASKED},
            created_at=now,
            scheduled_at=func.coalesce(bindparam("at", type_=BigInteger), now + in_micros("delay")),
            attempt=0,
            tries=0,
            crashes=0,
        )
    )


@cache
def insert_live_of(now: Now) -> Insert:
    """Make the runs :run_ids, just stored, live, in their order: scheduled or queued."""
    same = ("run_id", "job_name", "queue", "priority", "max_attempts", "max_crashes", "unique_key")
    due = runs.c.scheduled_at
    made = {
        **{name: runs.c[name] for name in same},
        "queue_by_default": bindparam("queue_by_default", type_=Integer),
        "priority_by_default": bindparam("priority_by_default", type_=Integer),
        "due_at": due,
        "state": case((due > now, "scheduled"), else_="queued"),
        "attempt": literal(0),
        "tries": literal(0),
        "crashes": literal(0),
        "cancel_requested": literal(0),
    }
    return insert(live).from_select(
        list(made),
        select(*made.values())
        .where(runs.c.run_id.in_(bindparam("run_ids", expanding=True)))
        .order_by(runs.c.seq),
    )


@cache
def insert_live(now: Now, channel: str | None) -> Insert:
    """Make runs just stored live: scheduled, queued, or (:worker_id given) running, attempt 1.

    Whoever listens on the channel is told, when the transaction is committed.
    """
    claimed = bindparam("worker_id", type_=String).is_not(None)
    # What insert_runs wrote: the clock has moved since, and a run has one due time.
    due = select(runs.c.scheduled_at).where(runs.c.run_id == bindparam("run_id")).scalar_subquery()
    same = (
        "run_id", "job_name", "queue", "priority", "queue_by_default", "priority_by_default",
        "max_attempts", "max_crashes", "try_limit", "crash_limit", "worker_id", "dist", "version",
        "unique_key",
    )  # fmt: skip
    made = insert(live).inline() if channel is None else insert(live).returning(_told(channel))
    return made.values(
        **{name: bindparam(name) for name in same},
        due_at=due,
        state=case((claimed, "running"), (due > now, "scheduled"), else_="queued"),
        attempt=case((claimed, 1), else_=0),
        started_at=case((claimed, now), else_=null()),
        tries=0,
        crashes=0,
        cancel_requested=0,
    )


@cache
def due_names() -> Select[Any]:
    """Each (queue, job name) with queued runs, by jumping from one to the next in the index.

    A loose index scan: its cost follows the number of names, not the number of runs.
    """
    queued = live.c.state == "queued"
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
    return select(names.c.queue, names.c.job_name).where(names.c.job_name.is_not(None))


@cache
def next_due_name() -> Select[Any]:
    """The first (queue, job name) with queued runs after :queue and :name; one jump."""
    queue, name = bindparam("queue", type_=String), bindparam("name", type_=String)
    later = or_(live.c.queue > queue, and_(live.c.queue == queue, live.c.job_name > name))
    return (
        select(live.c.queue, live.c.job_name)
        .where(live.c.state == "queued", later)
        .order_by(live.c.queue, live.c.job_name)
        .limit(1)
        .with_hint(live, _BY_HEADS, "mysql")
    )


@cache
def heads() -> Select[Any]:
    """The first :most queued runs of :name in :queue that nobody else is claiming."""
    return (
        select(live.c.seq, live.c.priority, live.c.due_at, live.c.job_name)
        .where(
            live.c.state == "queued",
            live.c.queue == bindparam("queue"),
            live.c.job_name == bindparam("name"),
        )
        .order_by(live.c.priority.desc(), live.c.due_at, live.c.seq)
        .limit(bindparam("most"))
        # A plan that sorts would lock all it sorts.
        .with_hint(live, _BY_HEADS, "mysql")
        .with_for_update(skip_locked=True)
    )


@cache
def route_queue() -> Update:
    """Move queued runs of :name whose submitter named no queue from :queue to :to_queue."""
    return (
        update(live)
        .where(
            live.c.state == "queued",
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
            live.c.state == "queued",
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
        .where(live.c.state == "running", live.c.job_name.in_(bindparam("names", expanding=True)))
        .group_by(live.c.job_name)
    )


@cache
def take(now: Now) -> Update:
    """Claim the queued rows :seqs of one job: raise the fence, note worker and limits."""
    return (
        update(live)
        .where(live.c.seq.in_(bindparam("seqs", expanding=True)), live.c.state == "queued")
        .values(
            state="running",
            attempt=live.c.attempt + 1,
            worker_id=bindparam("of_worker"),
            dist=bindparam("of_dist"),
            version=bindparam("of_version"),
            started_at=now,
            try_limit=func.coalesce(live.c.max_attempts, bindparam("tries_allowed")),
            crash_limit=func.coalesce(live.c.max_crashes, bindparam("crashes_allowed")),
        )
    )


@cache
def take_one(now: Now) -> Update:
    """Claim :of_run alone, queued or due later."""
    return (
        update(live)
        .where(live.c.run_id == bindparam("of_run"), live.c.state.in_(("queued", "scheduled")))
        .values(
            state="running",
            attempt=live.c.attempt + 1,
            worker_id=bindparam("of_worker"),
            started_at=now,
        )
    )


def _claims() -> Select[Any]:
    return select(
        live.c.seq,
        live.c.run_id,
        live.c.job_name,
        live.c.attempt,
        live.c.tries,
        live.c.crashes,
        runs.c.params,
        runs.c.timeout,
        runs.c.max_attempts,
        runs.c.max_crashes,
    ).join(runs, runs.c.run_id == live.c.run_id)


@cache
def claimed() -> Select[Any]:
    """What a worker needs of the rows :seqs it just took."""
    return _claims().where(
        live.c.seq.in_(bindparam("seqs", expanding=True)),
        live.c.worker_id == bindparam("of_worker"),
        live.c.state == "running",
    )


@cache
def claimed_one() -> Select[Any]:
    """What a worker needs of :of_run, which it just took."""
    return _claims().where(
        live.c.run_id == bindparam("of_run"),
        live.c.worker_id == bindparam("of_worker"),
        live.c.state == "running",
    )


# settle


@cache
def held(now: Now, whole: bool) -> Select[Any]:
    """The running rows of :of_worker (:run_ids or all), whole, locked, with the clock."""
    rows = select(live, now.label("now")).where(
        live.c.worker_id == bindparam("of_worker"), live.c.state == "running"
    )
    if not whole:
        rows = rows.where(live.c.run_id.in_(bindparam("run_ids", expanding=True)))
    return rows.order_by(live.c.seq).with_for_update()


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
            worker_id=null(),
            started_at=null(),
        )
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
        live.c.state == "running",
        live.c.cancel_requested > 0,
    )


# upkeep


@cache
def stage_due(now: Now) -> Update:
    """Queue the scheduled runs that are due."""
    return (
        update(live).where(live.c.state == "scheduled", live.c.due_at <= now).values(state="queued")
    )


@cache
def next_due(now: Now) -> Select[Any]:
    """Microseconds until the next scheduled run is due; NULL when there is none."""
    return select(func.min(live.c.due_at) - now).where(live.c.state == "scheduled")


# logs


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


# cancel, retry


@cache
def live_row() -> Select[Any]:
    """The live row of :of_run, locked."""
    return select(live).where(live.c.run_id == bindparam("of_run")).with_for_update()


@cache
def holders() -> Select[Any]:
    """Which unfinished runs have the :unique_keys, of whatever job."""
    return select(live.c.job_name, live.c.unique_key, live.c.run_id).where(
        live.c.unique_key.in_(bindparam("unique_keys", expanding=True))
    )


@cache
def free_key() -> Update:
    """Let the run :of_run go on without its unique key, which another run takes."""
    return update(live).where(live.c.run_id == bindparam("of_run")).values(unique_key=null())


@cache
def ask_cancel() -> Update:
    """Ask the worker that runs :of_run to cancel it; :how is 1, or 2 where it was replaced."""
    return (
        update(live)
        .where(live.c.run_id == bindparam("of_run"), live.c.state == "running")
        .values(cancel_requested=bindparam("how"))
    )


@cache
def drop_waiting() -> Delete:
    """Take a run that does not run out of the live table, if it is still attempt :of_attempt."""
    return delete(live).where(
        live.c.run_id == bindparam("of_run"),
        live.c.attempt == bindparam("of_attempt"),
        live.c.state != "running",
    )


@cache
def cancel_waiting(now: Now) -> Update:
    """Finish a run that was cancelled while it waited."""
    return (
        update(runs)
        .where(runs.c.run_id == bindparam("of_run"), runs.c.state.is_(None))
        .values(
            state="cancelled",
            reason=bindparam("to_reason"),
            attempt=bindparam("of_attempt"),
            tries=bindparam("to_tries"),
            crashes=bindparam("to_crashes"),
            queue=bindparam("to_queue"),
            priority=bindparam("to_priority"),
            progress=bindparam("to_progress"),
            dist=bindparam("to_dist"),
            version=bindparam("to_version"),
            finished_at=now,
        )
    )


@cache
def reopen_run() -> Update:
    """Clear what came out of :of_run, if it still is the one seen at :of_attempt."""
    cleared = (
        "state", "reason", "result", "error_type", "error_message", "error_traceback",
        "started_at", "finished_at", "progress", "worker_id",
    )  # fmt: skip
    return (
        update(runs)
        .where(
            runs.c.run_id == bindparam("of_run"),
            runs.c.attempt == bindparam("of_attempt"),
            runs.c.state.in_(("failed", "cancelled")),
        )
        .values(**dict.fromkeys(cleared, null()), tries=0, crashes=0)
    )


@cache
def requeue_run(now: Now) -> Insert:
    """Make a reopened run live again, going on from the attempt it had."""
    same = (
        "run_id", "job_name", "queue", "priority", "attempt", "tries", "crashes", "max_attempts",
        "max_crashes", "unique_key",
    )  # fmt: skip
    row = select(
        *(runs.c[name] for name in same),
        literal("queued"),
        now,
        literal(0),
        literal(0),
        literal(0),
    ).where(runs.c.run_id == bindparam("of_run"))
    return insert(live).from_select(
        [*same, "state", "due_at", "queue_by_default", "priority_by_default", "cancel_requested"],
        row,
    )
