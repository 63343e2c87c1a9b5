"""The steps that migrations are made of. Each looks before it acts.

MySQL commits after every step of its own accord, so an upgrade that was cut short goes on where
it stopped.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, TextClause, inspect

from ..columns import MYSQL


def create_table(name: str, *columns: Column[object]) -> None:
    """Create a table, unless it is there."""
    if not inspect(op.get_bind()).has_table(name):
        op.create_table(name, *columns, **MYSQL)


def create_index(name: str, table: str, *columns: str | TextClause) -> None:
    """Create an index, unless it is there."""
    there = inspect(op.get_bind()).get_indexes(table)
    if name not in {index["name"] for index in there}:
        op.create_index(name, table, list(columns))
