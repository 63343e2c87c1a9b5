"""The table that the transactional job of the soak writes to."""

from __future__ import annotations

from ..store import Store

_EFFECTS = "jobreg_selftest_effects"


def effects_table(store: Store) -> str:
    """The table as a statement names it."""
    inside = store.database.schema
    return _EFFECTS if inside is None else f'"{inside}".{_EFFECTS}'


def make_effects_table(store: Store) -> None:
    """Add the table to the soak's own store."""
    columns = "(run_id VARCHAR(36), attempt INTEGER)"
    with store.writing() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {effects_table(store)} {columns}")
