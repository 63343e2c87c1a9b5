"""Unique keys of runs, and an index of runs by the time they were submitted."""

from sqlalchemy import Column

from jobreg.store.columns import UNIQUE_KEY
from jobreg.store.migrations.steps import add_column, create_index

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add columns that code of the version before leaves NULL, and indexes."""
    add_column("jobreg_runs", Column("unique_key", UNIQUE_KEY))
    add_column("jobreg_live", Column("unique_key", UNIQUE_KEY))
    create_index("jobreg_live_unique", "jobreg_live", "unique_key", "job_name", unique=True)
    create_index("jobreg_runs_by_time", "jobreg_runs", "created_at", "seq")
