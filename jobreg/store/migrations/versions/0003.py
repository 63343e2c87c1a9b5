"""The catalogue of jobs, whom each name belongs to, and what operators set for them."""

from sqlalchemy import Column, String

from jobreg.store.columns import LONG_TEXT, NAME, SECONDS, TIME
from jobreg.store.migrations.steps import create_table

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables; nothing that is there changes."""
    create_table(
        "jobreg_catalogue",
        Column("job_name", NAME, primary_key=True),
        Column("dist", String(256), primary_key=True),
        Column("version", String(128), primary_key=True),
        Column("options", LONG_TEXT),
        Column("signature", LONG_TEXT),
        Column("params_schema", LONG_TEXT),
        Column("summary", LONG_TEXT),
        Column("import_seconds", SECONDS),
        Column("trouble", LONG_TEXT),
        Column("first_seen", TIME, nullable=False),
        Column("last_seen", TIME, nullable=False),
    )
    create_table(
        "jobreg_owners",
        Column("job_name", NAME, primary_key=True),
        Column("dist", String(256), nullable=False),
        Column("pinned_by", String(16), nullable=False),
        Column("pinned_at", TIME, nullable=False),
    )
    create_table(
        "jobreg_overrides",
        Column("job_name", NAME, primary_key=True),
        Column("option_name", String(32), primary_key=True),
        Column("value", LONG_TEXT, nullable=False),
        Column("set_at", TIME, nullable=False),
    )
