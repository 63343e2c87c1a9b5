"""The steps that migrations are made of. Each looks before it acts.

MySQL commits after every step of its own accord, so an upgrade that was cut short goes on where
it stopped.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, TextClause, inspect, text

from ..columns import MYSQL


def create_table(name: str, *columns: Column[object]) -> None:
    """Create a table, unless it is there."""
    if not inspect(op.get_bind()).has_table(name):
        op.create_table(name, *columns, **MYSQL)


def add_column(table: str, column: Column[object]) -> None:
    """Add a column that may be NULL, unless it is there."""
    there = inspect(op.get_bind()).get_columns(table)
    if column.name not in {each["name"] for each in there}:
        op.add_column(table, column)


def create_index(name: str, table: str, *columns: str | TextClause, unique: bool = False) -> None:
    """Create an index, unless it is there."""
    there = inspect(op.get_bind()).get_indexes(table)
    if name not in {index["name"] for index in there}:
        op.create_index(name, table, list(columns), unique=unique)


def narrow_index(
    name: str, table: str, *columns: str | TextClause, where: str, unique: bool = False
) -> None:
    """Let an index hold only some rows, where the database has such indexes; MySQL has not.

    The others change their schema in a transaction: nobody sees the table without the index.
    """
    if op.get_bind().dialect.name != "mysql":
        of = text(where)
        op.drop_index(name, table_name=table)
        op.create_index(
            name, table, list(columns), unique=unique, sqlite_where=of, postgresql_where=of
        )
