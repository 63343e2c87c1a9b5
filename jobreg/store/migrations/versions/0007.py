"""Tokens of the REST interface and the dashboard. A table more; nobody else looks at it."""

from sqlalchemy import Column, String

from jobreg.store.columns import TIME
from jobreg.store.migrations.steps import create_table

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table; a worker of the version before goes on beside it."""
    create_table(
        "jobreg_tokens",
        Column("digest", String(64), primary_key=True),
        Column("role", String(16), nullable=False),
        Column("created_at", TIME, nullable=False),
    )
