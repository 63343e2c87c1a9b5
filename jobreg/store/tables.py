"""The schema on one screen. Times are microseconds since 1970, UTC, by the database's clock.

A run is a row of ``jobreg_runs`` (what was asked, what came out) and, while it is unfinished, a
small row of ``jobreg_live`` (where it stands), deleted in the transaction that settles it. The
split keeps history out of the hot indexes (docs/decisions/0003-two-tables.md).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    literal_column,
)

from .columns import (
    DIST,
    DIST_VERSION,
    ID,
    LONG_TEXT,
    NAME,
    RUN_ID,
    SECONDS,
    TIME,
    UNIQUE_KEY,
)

metadata = MetaData()


def _of(name: str, where: str, *columns: Any, unique: bool = False) -> None:
    """An index over some rows only, so that the others need not be written into it.

    MySQL has none such: there it holds all rows (docs/decisions/0024-narrow-indexes.md). The
    migrations make them; here ``where`` is for the reader, and a test holds it against what they
    made. To tell it to SQLAlchemy, or anything else that one database alone understands, is to
    import the dialects of all.
    """
    Index(name, *columns, unique=unique, info={"where": where})


runs = Table(
    "jobreg_runs",
    metadata,
    Column("seq", ID, primary_key=True),
    # asked
    Column("run_id", RUN_ID, nullable=False, unique=True),
    Column("job_name", NAME, nullable=False),
    Column("params", LONG_TEXT, nullable=False),
    Column("queue", String(64), nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("timeout", SECONDS),
    Column("max_attempts", Integer),
    Column("max_crashes", Integer),
    Column("max_age", SECONDS),
    Column("tags", LONG_TEXT, nullable=False),
    Column("retried_from", RUN_ID),
    Column("unique_key", UNIQUE_KEY),
    Column("created_at", TIME, nullable=False),
    Column("scheduled_at", TIME, nullable=False),
    # came out; state is NULL while the run has a row in jobreg_live
    Column("state", String(16)),
    Column("reason", String(16)),
    Column("result", LONG_TEXT),
    Column("error_type", String(256)),
    Column("error_message", LONG_TEXT),
    Column("error_traceback", LONG_TEXT),
    Column("attempt", Integer, nullable=False, default=0),
    Column("tries", Integer, nullable=False, default=0),
    Column("crashes", Integer, nullable=False, default=0),
    Column("started_at", TIME),
    Column("finished_at", TIME),
    Column("progress", LONG_TEXT),
    Column("dist", DIST),
    Column("version", DIST_VERSION),
    Column("worker_id", RUN_ID),
    Index("jobreg_runs_by_job", "job_name", "seq"),
    Index("jobreg_runs_by_time", "created_at", "seq"),
)

_of("jobreg_runs_by_state", "state IS NOT NULL", runs.c.state, runs.c.seq)

live = Table(
    "jobreg_live",
    metadata,
    Column("seq", ID, primary_key=True),
    Column("run_id", RUN_ID, nullable=False, unique=True),
    Column("job_name", NAME, nullable=False),
    Column("state", String(16), nullable=False),
    Column("queue", String(64), nullable=False),
    Column("priority", SmallInteger, nullable=False),
    # 1 where the submitter named none, so the job's own word still counts
    Column("queue_by_default", SmallInteger, nullable=False),
    Column("priority_by_default", SmallInteger, nullable=False),
    Column("due_at", TIME, nullable=False),
    # the fence: raised by claim, never lowered, never reused
    Column("attempt", Integer, nullable=False, default=0),
    Column("tries", Integer, nullable=False, default=0),
    Column("crashes", Integer, nullable=False, default=0),
    Column("max_attempts", Integer),
    Column("max_crashes", Integer),
    # what the claiming worker knew of the job, for whoever has to rescue the run
    Column("try_limit", Integer),
    Column("crash_limit", Integer),
    Column("worker_id", RUN_ID),
    Column("dist", DIST),
    Column("version", DIST_VERSION),
    Column("started_at", TIME),
    Column("cancel_requested", SmallInteger, nullable=False, default=0),
    Column("progress", LONG_TEXT),
    # of the live runs of a job one may have a key; settling frees it
    Column("unique_key", UNIQUE_KEY),
    # 1 where it was lost with its worker among others: it runs alone next
    Column("suspect", SmallInteger),
)
# The key first: by name first it would offer itself to those who look for names that wait.
_of("jobreg_live_unique", "unique_key IS NOT NULL", live.c.unique_key, live.c.job_name, unique=True)
_of(
    "jobreg_live_heads",
    "state = 'queued'",
    live.c.state,
    live.c.queue,
    live.c.job_name,
    live.c.priority.desc(),
    live.c.due_at,
    live.c.seq,
)
_of("jobreg_live_due", "state = 'queued' OR state = 'scheduled'", live.c.state, live.c.due_at)
_of("jobreg_live_by_worker", "worker_id IS NOT NULL", live.c.worker_id)

# Spelt out in SQL: a database takes a narrow index only where it sees the word.
QUEUED, RUNNING, SCHEDULED = (
    literal_column(f"'{state}'", String) for state in ("queued", "running", "scheduled")
)

attempts = Table(
    "jobreg_attempts",
    metadata,
    Column("run_id", RUN_ID, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("outcome", String(16), nullable=False),
    Column("worker_id", RUN_ID, nullable=False),
    Column("host", String(256), nullable=False),
    Column("pid", Integer),
    Column("dist", DIST),
    Column("version", DIST_VERSION),
    Column("started_at", TIME),
    Column("finished_at", TIME, nullable=False),
    Column("error_type", String(256)),
    Column("error_message", LONG_TEXT),
    Column("error_traceback", LONG_TEXT),
    Column("exit_signal", Integer),
    # bytes
    Column("peak_memory", BigInteger),
)

# What attempts printed and logged, a row for what was written at one time.
logs = Table(
    "jobreg_logs",
    metadata,
    Column("run_id", RUN_ID, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", TIME, nullable=False),
    Column("body", LONG_TEXT, nullable=False),
)

# One row per start of a supervisor; the row is the lease of all runs it holds.
workers = Table(
    "jobreg_workers",
    metadata,
    Column("worker_id", RUN_ID, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("host", String(256), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("pid_started", String(32)),
    Column("boot_id", String(64)),
    Column("pid_namespace", String(64)),
    Column("jobreg_version", String(32), nullable=False),
    Column("concurrency", Integer, nullable=False),
    Column("queues", LONG_TEXT, nullable=False),
    Column("names", LONG_TEXT, nullable=False),
    Column("lease", SECONDS, nullable=False),
    Column("beat", BigInteger, nullable=False, default=0),
    Column("started_at", TIME, nullable=False),
    Column("beat_at", TIME, nullable=False),
    Column("expires_at", TIME, nullable=False),
    # what it says of itself, and what an operator asks of it
    Column("condition", String(16)),
    Column("asked", String(16)),
)

# What the store has learned of jobs: a row for each version of each provider that was ever seen.
catalogue = Table(
    "jobreg_catalogue",
    metadata,
    Column("job_name", NAME, primary_key=True),
    Column("dist", DIST, primary_key=True),
    Column("version", DIST_VERSION, primary_key=True),
    # JSON, as the child that imported the job said it
    Column("options", LONG_TEXT),
    Column("signature", LONG_TEXT),
    Column("params_schema", LONG_TEXT),
    Column("summary", LONG_TEXT),
    Column("import_seconds", SECONDS),
    # why it could not be imported when that was last tried
    Column("trouble", LONG_TEXT),
    Column("first_seen", TIME, nullable=False),
    Column("last_seen", TIME, nullable=False),
)

# Which distribution a name belongs to, once one was seen to provide it.
owners = Table(
    "jobreg_owners",
    metadata,
    Column("job_name", NAME, primary_key=True),
    Column("dist", DIST, nullable=False),
    Column("pinned_by", String(16), nullable=False),
    Column("pinned_at", TIME, nullable=False),
)

# What an operator set for a job: it stands before what the job itself says.
overrides = Table(
    "jobreg_overrides",
    metadata,
    Column("job_name", NAME, primary_key=True),
    Column("option_name", String(32), primary_key=True),
    Column("value", LONG_TEXT, nullable=False),
    Column("set_at", TIME, nullable=False),
)

# Queues and jobs whose queued runs nobody claims for the time being.
pauses = Table(
    "jobreg_pauses",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("name", NAME, primary_key=True),
    Column("paused_at", TIME, nullable=False),
)

# Who may ask over HTTP: SHA-256 of each token, as hexadecimal digits, and its role.
tokens = Table(
    "jobreg_tokens",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("created_at", TIME, nullable=False),
)
