"""The index of due times holds what waits: a claim and an end need not write what runs into it."""

from jobreg.store.migrations.steps import narrow_index

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make one index narrower; the release before finds the same (what runs, in the table)."""
    narrow_index(
        "jobreg_live_due", "jobreg_live", "state", "due_at",
        where="state = 'queued' OR state = 'scheduled'",
    )  # fmt: skip
