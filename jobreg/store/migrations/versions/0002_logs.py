"""Logs: what runs print and log. A table more; a worker of the version before goes on beside it."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String, Text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "jobreg_logs",
        Column("run_id", String(36), primary_key=True),
        Column("attempt", Integer, primary_key=True, autoincrement=False),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("at", BigInteger, nullable=False),
        Column("body", Text, nullable=False),
    )
