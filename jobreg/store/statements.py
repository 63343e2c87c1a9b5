"""SQL that stores, cancels and reopens runs. What is said here holds for all SQL of the store.

One function makes one statement, once, and executes none. ``now`` is the SQL expression of the
database's clock (microseconds UTC); tests give a literal. Names after a colon in the docstrings
are the bound parameters.
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
    Select,
    String,
    Update,
    bindparam,
    delete,
    func,
    insert,
    literal,
    null,
    select,
    update,
)

from .new_runs import ASKED, CLAIMED, WAITING
from .tables import RUNNING, live, runs

Now = ColumnElement[int]


def in_micros(name: str) -> ColumnElement[int]:
    """A parameter in microseconds: more than 32 bits."""
    return bindparam(name, type_=BigInteger)


@cache
def given_now(read: Callable[[], int]) -> Now:
    """A clock that stands in for the database's: ``read`` is called at every execution."""
    return bindparam("given_now", callable_=read, type_=BigInteger())


# submit


@cache
def insert_runs() -> Insert:
    """Store what was asked of new runs: columns as :func:`.new_runs.new_columns` makes them."""
    return insert(runs).inline().values(**{name: bindparam(name) for name in ASKED})


@cache
def insert_live(claimed: bool) -> Insert:
    """Make new runs live, waiting or, with what that adds, claimed."""
    names = (*WAITING, *CLAIMED) if claimed else WAITING
    return insert(live).inline().values(**{name: bindparam(name) for name in names})


@cache
def tell(channel: str) -> Select[Any]:
    """Let those who listen on the channel know, when the transaction is committed."""
    return select(func.pg_notify(literal(channel, String), literal("", String)))


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
        .where(live.c.run_id == bindparam("of_run"), live.c.state == RUNNING)
        .values(cancel_requested=bindparam("how"))
    )


@cache
def drop_waiting() -> Delete:
    """Take a run that does not run out of the live table, if it is still attempt :of_attempt."""
    return delete(live).where(
        live.c.run_id == bindparam("of_run"),
        live.c.attempt == bindparam("of_attempt"),
        live.c.state != RUNNING,
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
def reopen_run(now: Now) -> Update:
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
        .values(**dict.fromkeys(cleared, null()), tries=0, crashes=0, scheduled_at=now)
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
