"""The first schema: runs, live, attempts, workers."""

from sqlalchemy import BigInteger, Column, Integer, SmallInteger, String, text

from jobreg.store.columns import ID, LONG_TEXT, NAME, RUN_ID, SECONDS, TIME
from jobreg.store.migrations.steps import create_index, create_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables and their indexes."""
    create_table(
        "jobreg_runs",
        Column("seq", ID, primary_key=True),
        Column("run_id", RUN_ID, nullable=False, unique=True),
        Column("job_name", NAME, nullable=False),
        Column("params", LONG_TEXT, nullable=False),
        Column("queue", String(64), nullable=False),
        Column("priority", SmallInteger, nullable=False),
        Column("timeout", SECONDS),
        Column("max_attempts", Integer),
        Column("max_crashes", Integer),
        Column("tags", LONG_TEXT, nullable=False),
        Column("retried_from", RUN_ID),
        Column("created_at", TIME, nullable=False),
        Column("scheduled_at", TIME, nullable=False),
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
        Column("dist", String(256)),
        Column("version", String(128)),
        Column("worker_id", RUN_ID),
    )
    create_table(
        "jobreg_live",
        Column("seq", ID, primary_key=True),
        Column("run_id", RUN_ID, nullable=False, unique=True),
        Column("job_name", NAME, nullable=False),
        Column("state", String(16), nullable=False),
        Column("queue", String(64), nullable=False),
        Column("priority", SmallInteger, nullable=False),
        Column("queue_by_default", SmallInteger, nullable=False),
        Column("priority_by_default", SmallInteger, nullable=False),
        Column("due_at", TIME, nullable=False),
        Column("attempt", Integer, nullable=False, default=0),
        Column("tries", Integer, nullable=False, default=0),
        Column("crashes", Integer, nullable=False, default=0),
        Column("max_attempts", Integer),
        Column("max_crashes", Integer),
        Column("try_limit", Integer),
        Column("crash_limit", Integer),
        Column("worker_id", RUN_ID),
        Column("dist", String(256)),
        Column("version", String(128)),
        Column("started_at", TIME),
        Column("cancel_requested", SmallInteger, nullable=False, default=0),
        Column("progress", LONG_TEXT),
    )
    create_table(
        "jobreg_attempts",
        Column("run_id", RUN_ID, primary_key=True),
        Column("attempt", Integer, primary_key=True, autoincrement=False),
        Column("outcome", String(16), nullable=False),
        Column("worker_id", RUN_ID, nullable=False),
        Column("host", String(256), nullable=False),
        Column("pid", Integer),
        Column("dist", String(256)),
        Column("version", String(128)),
        Column("started_at", TIME),
        Column("finished_at", TIME, nullable=False),
        Column("error_type", String(256)),
        Column("error_message", LONG_TEXT),
        Column("error_traceback", LONG_TEXT),
        Column("exit_signal", Integer),
    )
    create_table(
        "jobreg_workers",
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
    )
    create_index("jobreg_runs_by_job", "jobreg_runs", "job_name", "seq")
    create_index("jobreg_runs_by_state", "jobreg_runs", "state", "seq")
    create_index(
        "jobreg_live_heads",
        "jobreg_live",
        "state", "queue", "job_name", text("priority DESC"), "due_at", "seq",
    )  # fmt: skip
    create_index("jobreg_live_due", "jobreg_live", "state", "due_at")
    create_index("jobreg_live_by_worker", "jobreg_live", "worker_id")
