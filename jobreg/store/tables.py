"""The schema on one screen. Times are microseconds since 1970, UTC, by the database's clock.

A run is a row of ``jobreg_runs`` (what was asked, what came out) and, while it is unfinished, a
small row of ``jobreg_live`` (where it stands), deleted in the transaction that settles it. The
split keeps history out of the hot indexes (docs/decisions/0003-two-tables.md).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

_Id = BigInteger().with_variant(Integer(), "sqlite")
_Time = BigInteger
_RunId = String(36)
_Name = String(128)

metadata = MetaData()

runs = Table(
    "jobreg_runs",
    metadata,
    Column("seq", _Id, primary_key=True),
    # asked
    Column("run_id", _RunId, nullable=False, unique=True),
    Column("job_name", _Name, nullable=False),
    Column("params", Text, nullable=False),
    Column("queue", String(64), nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("timeout", Float),
    Column("max_attempts", Integer),
    Column("max_crashes", Integer),
    Column("tags", Text, nullable=False),
    Column("retried_from", _RunId),
    Column("created_at", _Time, nullable=False),
    Column("scheduled_at", _Time, nullable=False),
    # came out; state is NULL while the run has a row in jobreg_live
    Column("state", String(16)),
    Column("reason", String(16)),
    Column("result", Text),
    Column("error_type", String(256)),
    Column("error_message", Text),
    Column("error_traceback", Text),
    Column("attempt", Integer, nullable=False, default=0),
    Column("tries", Integer, nullable=False, default=0),
    Column("crashes", Integer, nullable=False, default=0),
    Column("started_at", _Time),
    Column("finished_at", _Time),
    Column("progress", Text),
    Column("dist", String(256)),
    Column("version", String(128)),
    Column("worker_id", _RunId),
    Index("jobreg_runs_by_job", "job_name", "seq"),
    Index("jobreg_runs_by_state", "state", "seq"),
)

live = Table(
    "jobreg_live",
    metadata,
    Column("seq", _Id, primary_key=True),
    Column("run_id", _RunId, nullable=False, unique=True),
    Column("job_name", _Name, nullable=False),
    Column("state", String(16), nullable=False),
    Column("queue", String(64), nullable=False),
    Column("priority", SmallInteger, nullable=False),
    # 1 where the submitter named none, so the job's own word still counts
    Column("queue_by_default", SmallInteger, nullable=False),
    Column("priority_by_default", SmallInteger, nullable=False),
    Column("due_at", _Time, nullable=False),
    # the fence: raised by claim, never lowered, never reused
    Column("attempt", Integer, nullable=False, default=0),
    Column("tries", Integer, nullable=False, default=0),
    Column("crashes", Integer, nullable=False, default=0),
    Column("max_attempts", Integer),
    Column("max_crashes", Integer),
    # what the claiming worker knew of the job, for whoever has to rescue the run
    Column("try_limit", Integer),
    Column("crash_limit", Integer),
    Column("worker_id", _RunId),
    Column("dist", String(256)),
    Column("version", String(128)),
    Column("started_at", _Time),
    Column("cancel_requested", SmallInteger, nullable=False, default=0),
    Column("progress", Text),
)
Index(
    "jobreg_live_heads",
    live.c.state,
    live.c.queue,
    live.c.job_name,
    live.c.priority.desc(),
    live.c.due_at,
    live.c.seq,
)
Index("jobreg_live_due", live.c.state, live.c.due_at)
Index("jobreg_live_by_worker", live.c.worker_id)

attempts = Table(
    "jobreg_attempts",
    metadata,
    Column("run_id", _RunId, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("outcome", String(16), nullable=False),
    Column("worker_id", _RunId, nullable=False),
    Column("host", String(256), nullable=False),
    Column("pid", Integer),
    Column("dist", String(256)),
    Column("version", String(128)),
    Column("started_at", _Time),
    Column("finished_at", _Time, nullable=False),
    Column("error_type", String(256)),
    Column("error_message", Text),
    Column("error_traceback", Text),
    Column("exit_signal", Integer),
)

# What attempts printed and logged, a row for what was written at one time.
logs = Table(
    "jobreg_logs",
    metadata,
    Column("run_id", _RunId, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", _Time, nullable=False),
    Column("body", Text, nullable=False),
)

# One row per start of a supervisor; the row is the lease of all runs it holds.
workers = Table(
    "jobreg_workers",
    metadata,
    Column("worker_id", _RunId, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("host", String(256), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("pid_started", String(32)),
    Column("boot_id", String(64)),
    Column("pid_namespace", String(64)),
    Column("jobreg_version", String(32), nullable=False),
    Column("concurrency", Integer, nullable=False),
    Column("queues", Text, nullable=False),
    Column("names", Text, nullable=False),
    Column("lease", Float, nullable=False),
    Column("beat", BigInteger, nullable=False, default=0),
    Column("started_at", _Time, nullable=False),
    Column("beat_at", _Time, nullable=False),
    Column("expires_at", _Time, nullable=False),
)

# What the store has learned of jobs: a row for each version of each provider that was ever seen.
catalogue = Table(
    "jobreg_catalogue",
    metadata,
    Column("job_name", _Name, primary_key=True),
    Column("dist", String(256), primary_key=True),
    Column("version", String(128), primary_key=True),
    # JSON, as the child that imported the job said it
    Column("options", Text),
    Column("signature", Text),
    Column("params_schema", Text),
    Column("summary", Text),
    Column("import_seconds", Float),
    # why it could not be imported when that was last tried
    Column("trouble", Text),
    Column("first_seen", _Time, nullable=False),
    Column("last_seen", _Time, nullable=False),
)

# Which distribution a name belongs to, once one was seen to provide it.
owners = Table(
    "jobreg_owners",
    metadata,
    Column("job_name", _Name, primary_key=True),
    Column("dist", String(256), nullable=False),
    Column("pinned_by", String(16), nullable=False),
    Column("pinned_at", _Time, nullable=False),
)

# What an operator set for a job: it stands before what the job itself says.
overrides = Table(
    "jobreg_overrides",
    metadata,
    Column("job_name", _Name, primary_key=True),
    Column("option_name", String(32), primary_key=True),
    Column("value", Text, nullable=False),
    Column("set_at", _Time, nullable=False),
)
