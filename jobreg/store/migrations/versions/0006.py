"""Indexes over the rows that are looked for, and no others: half the work of a claim was theirs."""

from sqlalchemy import text

from jobreg.store.migrations.steps import narrow_index

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make four indexes narrower; who looks by them, also in the release before, finds the same."""
    narrow_index(
        "jobreg_live_unique", "jobreg_live", "unique_key", "job_name",
        where="unique_key IS NOT NULL", unique=True,
    )  # fmt: skip
    narrow_index(
        "jobreg_live_heads", "jobreg_live", "state", "queue", "job_name", text("priority DESC"),
        "due_at", "seq", where="state = 'queued'",
    )  # fmt: skip
    narrow_index("jobreg_live_by_worker", "jobreg_live", "worker_id", where="worker_id IS NOT NULL")
    narrow_index("jobreg_runs_by_state", "jobreg_runs", "state", "seq", where="state IS NOT NULL")
