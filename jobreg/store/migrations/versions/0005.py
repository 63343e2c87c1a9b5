"""Age limits, runs to be run alone, pauses, what a worker says of itself, peak memory."""

from sqlalchemy import BigInteger, Column, SmallInteger, String

from jobreg.store.columns import NAME, SECONDS, TIME
from jobreg.store.migrations.steps import add_column, create_table

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add columns that code of the version before leaves NULL, and a table it does not look at."""
    add_column("jobreg_runs", Column("max_age", SECONDS))
    add_column("jobreg_live", Column("suspect", SmallInteger))
    add_column("jobreg_attempts", Column("peak_memory", BigInteger))
    add_column("jobreg_workers", Column("condition", String(16)))
    add_column("jobreg_workers", Column("asked", String(16)))
    create_table(
        "jobreg_pauses",
        Column("kind", String(8), primary_key=True),
        Column("name", NAME, primary_key=True),
        Column("paused_at", TIME, nullable=False),
    )
