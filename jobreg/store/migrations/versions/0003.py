"""The catalogue of jobs, whom each name belongs to, and what operators set for them."""

from alembic import op
from sqlalchemy import BigInteger, Column, Float, String, Text

revision = "0003"
down_revision = "0002"

_TIME = BigInteger
_NAME = String(128)


def upgrade() -> None:
    """Create the tables; nothing that is there changes."""
    op.create_table(
        "jobreg_catalogue",
        Column("job_name", _NAME, primary_key=True),
        Column("dist", String(256), primary_key=True),
        Column("version", String(128), primary_key=True),
        Column("options", Text),
        Column("signature", Text),
        Column("params_schema", Text),
        Column("summary", Text),
        Column("import_seconds", Float),
        Column("trouble", Text),
        Column("first_seen", _TIME, nullable=False),
        Column("last_seen", _TIME, nullable=False),
    )
    op.create_table(
        "jobreg_owners",
        Column("job_name", _NAME, primary_key=True),
        Column("dist", String(256), nullable=False),
        Column("pinned_by", String(16), nullable=False),
        Column("pinned_at", _TIME, nullable=False),
    )
    op.create_table(
        "jobreg_overrides",
        Column("job_name", _NAME, primary_key=True),
        Column("option_name", String(32), primary_key=True),
        Column("value", Text, nullable=False),
        Column("set_at", _TIME, nullable=False),
    )
