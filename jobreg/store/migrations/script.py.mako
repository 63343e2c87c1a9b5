"""${message}"""

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Only ADD COLUMN, CREATE TABLE, CREATE INDEX: old workers go on during and after."""
    ${upgrades if upgrades else "pass"}
