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
    literal_column,
    null,
    or_,
    select,
    union_all,
    update,
)

from .tables import attempts, live, logs, runs, workers

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


def _micros(name: str) -> ColumnElement[int]:
    """A parameter in microseconds: more than 32 bits."""
    return bindparam(name, type_=BigInteger)


@cache
def given_now(read: Callable[[], int]) -> Now:
    """A clock that stands in for the database's: ``read`` is called at every execution."""
    return bindparam("given_now", callable_=read, type_=BigInteger())


# submit


@cache
def insert_runs(now: Now) -> Insert:
    """Store what was asked. :at is an absolute due time or NULL, :delay microseconds."""
    asked = (
        "run_id", "job_name", "params", "queue", "priority", "timeout", "max_attempts",
        "max_crashes", "tags", "retried_from", "unique_key",
    )  # fmt: skip
    return (
        insert(runs)
        .inline()
        .values(
            **{name: bindparam(name) for name in asked},
            created_at=now,
            scheduled_at=func.coalesce(bindparam("at", type_=BigInteger), now + _micros("delay")),
            attempt=0,
            tries=0,
            crashes=0,
        )
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
def worker_is_live() -> Select[Any]:
    """Is :of_worker live? It cannot be declared dead until this transaction ends."""
    return (
        select(workers.c.worker_id)
        .where(workers.c.worker_id == bindparam("of_worker"), workers.c.state == "live")
        .with_for_update(read=True)
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
            due_at=case((_micros("delay") > 0, now + _micros("delay")), else_=live.c.due_at),
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


# workers


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
        expires_at=now + _micros("lease_us"),
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
            expires_at=now + _micros("lease_us"),
            names=bindparam("to_names"),
        )
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


# read


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
            live.c.cancel_requested,
        )
        .select_from(runs)
        .join(live, live.c.run_id == runs.c.run_id, isouter=True)
    )


@cache
def runs_by_id() -> Select[Any]:
    """The runs :run_ids as they stand."""
    return whole_runs().where(runs.c.run_id.in_(bindparam("run_ids", expanding=True)))


@cache
def run_by_id() -> Select[Any]:
    """The run :run_id as it stands."""
    return whole_runs().where(runs.c.run_id == bindparam("run_id"))


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
    return (
        select(*group, func.count().label("number"), (now - func.min(live.c.due_at)).label("age"))
        .group_by(*group)
        .order_by(*group)
    )


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
            ).where(young.c.finished_at > now - _micros("window"))
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
    """How many queued runs of :queue come before :of_run, whatever their job."""
    of_run = live.alias("of_run")
    return (
        select(func.count())
        .select_from(live.join(of_run, of_run.c.run_id == bindparam("of_run")))
        .where(
            live.c.state == "queued",
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
    unfinished = select(live.c.state, func.count().label("n")).group_by(live.c.state)
    finished = (
        select(runs.c.state, func.count().label("n"))
        .where(runs.c.state.is_not(None))
        .group_by(runs.c.state)
    )
    return select(literal_column("*")).select_from(unfinished.union_all(finished).subquery())


@cache
def waiting_now(now: Now) -> Select[Any]:
    """How many queued or due runs of each job name wait."""
    return (
        select(live.c.queue, live.c.job_name, func.count())
        .where(live.c.state.in_(("queued", "scheduled")), live.c.due_at <= now)
        .group_by(live.c.queue, live.c.job_name)
    )


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
