"""Logs: what runs print and log. A table more; a worker of the version before goes on beside it."""

from sqlalchemy import Column, Integer

from jobreg.store.columns import LONG_TEXT, RUN_ID, TIME
from jobreg.store.migrations.steps import create_table

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    create_table(
        "jobreg_logs",
        Column("run_id", RUN_ID, primary_key=True),
        Column("attempt", Integer, primary_key=True, autoincrement=False),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("at", TIME, nullable=False),
        Column("body", LONG_TEXT, nullable=False),
    )
