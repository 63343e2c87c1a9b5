"""The first schema: runs, live, attempts, workers."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    text,
)

revision = "0001"
down_revision = None

_ID = BigInteger().with_variant(Integer(), "sqlite")
_TIME = BigInteger
_RUN_ID = String(36)
_NAME = String(128)


def upgrade() -> None:
    """Create the tables and their indexes."""
    op.create_table(
        "jobreg_runs",
        Column("seq", _ID, primary_key=True),
        Column("run_id", _RUN_ID, nullable=False, unique=True),
        Column("job_name", _NAME, nullable=False),
        Column("params", Text, nullable=False),
        Column("queue", String(64), nullable=False),
        Column("priority", SmallInteger, nullable=False),
        Column("timeout", Float),
        Column("max_attempts", Integer),
        Column("max_crashes", Integer),
        Column("tags", Text, nullable=False),
        Column("retried_from", _RUN_ID),
        Column("created_at", _TIME, nullable=False),
        Column("scheduled_at", _TIME, nullable=False),
        Column("state", String(16)),
        Column("reason", String(16)),
        Column("result", Text),
        Column("error_type", String(256)),
        Column("error_message", Text),
        Column("error_traceback", Text),
        Column("attempt", Integer, nullable=False, default=0),
        Column("tries", Integer, nullable=False, default=0),
        Column("crashes", Integer, nullable=False, default=0),
        Column("started_at", _TIME),
        Column("finished_at", _TIME),
        Column("progress", Text),
        Column("dist", String(256)),
        Column("version", String(128)),
        Column("worker_id", _RUN_ID),
        Index("jobreg_runs_by_job", "job_name", "seq"),
        Index("jobreg_runs_by_state", "state", "seq"),
    )
    op.create_table(
        "jobreg_live",
        Column("seq", _ID, primary_key=True),
        Column("run_id", _RUN_ID, nullable=False, unique=True),
        Column("job_name", _NAME, nullable=False),
        Column("state", String(16), nullable=False),
        Column("queue", String(64), nullable=False),
        Column("priority", SmallInteger, nullable=False),
        Column("queue_by_default", SmallInteger, nullable=False),
        Column("priority_by_default", SmallInteger, nullable=False),
        Column("due_at", _TIME, nullable=False),
        Column("attempt", Integer, nullable=False, default=0),
        Column("tries", Integer, nullable=False, default=0),
        Column("crashes", Integer, nullable=False, default=0),
        Column("max_attempts", Integer),
        Column("max_crashes", Integer),
        Column("try_limit", Integer),
        Column("crash_limit", Integer),
        Column("worker_id", _RUN_ID),
        Column("dist", String(256)),
        Column("version", String(128)),
        Column("started_at", _TIME),
        Column("cancel_requested", SmallInteger, nullable=False, default=0),
        Column("progress", Text),
    )
    op.create_table(
        "jobreg_attempts",
        Column("run_id", _RUN_ID, primary_key=True),
        Column("attempt", Integer, primary_key=True, autoincrement=False),
        Column("outcome", String(16), nullable=False),
        Column("worker_id", _RUN_ID, nullable=False),
        Column("host", String(256), nullable=False),
        Column("pid", Integer),
        Column("dist", String(256)),
        Column("version", String(128)),
        Column("started_at", _TIME),
        Column("finished_at", _TIME, nullable=False),
        Column("error_type", String(256)),
        Column("error_message", Text),
        Column("error_traceback", Text),
        Column("exit_signal", Integer),
    )
    op.create_table(
        "jobreg_workers",
        Column("worker_id", _RUN_ID, primary_key=True),
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
        Column("started_at", _TIME, nullable=False),
        Column("beat_at", _TIME, nullable=False),
        Column("expires_at", _TIME, nullable=False),
    )
    op.create_index(
        "jobreg_live_heads",
        "jobreg_live",
        ["state", "queue", "job_name", text("priority DESC"), "due_at", "seq"],
    )
    op.create_index("jobreg_live_due", "jobreg_live", ["state", "due_at"])
    op.create_index("jobreg_live_by_worker", "jobreg_live", ["worker_id"])
