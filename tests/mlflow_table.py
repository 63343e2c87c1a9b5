"""The table that MLflow keeps its jobs in, made by the test: before and after its rename."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
)

CREATED = 1_750_000_000_000  # milliseconds since 1970, in June 2025


def mlflow_row(number: int, name: str, status: int = 2, **said: Any) -> dict[str, Any]:
    """A row as MLflow writes it; ``name`` goes to whichever column there is."""
    return {
        "id": f"0b0e2a5c-7d1f-4c0e-9d4e-{number:012d}",
        "creation_time": CREATED + number,
        "name": name,
        "params": json.dumps({"number": number}),
        "timeout": None,
        "status": status,
        "result": json.dumps(number) if status == 2 else None,
        "retry_count": 0,
        "last_update_time": CREATED + number + 500,
        **said,
    }


def fill(
    connection: Connection,
    rows: Iterable[Mapping[str, Any]],
    name: str = "job_name",
    more: Iterable[str] = (),
) -> None:
    """Make the table in a database, with these rows."""
    table = Table(
        "jobs",
        MetaData(),
        Column("id", String(36), primary_key=True),
        Column("creation_time", BigInteger, nullable=False),
        Column(name, String(500), nullable=False),
        Column("params", Text, nullable=False),
        Column("timeout", Float),
        Column("status", Integer, nullable=False),
        Column("result", Text),
        Column("retry_count", Integer, nullable=False),
        Column("last_update_time", BigInteger, nullable=False),
        *(Column(each, String(100)) for each in more),
        mysql_charset="utf8mb4",
    )
    table.create(connection)
    found = [{(name if key == "name" else key): row[key] for key in row} for row in rows]
    if found:
        connection.execute(table.insert(), found)


def mlflow_file(
    file: Path, rows: Iterable[Mapping[str, Any]], name: str = "job_name", **more: Any
) -> Path:
    """A backend database of MLflow in a file."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        fill(connection, rows, name, **more)
    engine.dispose()
    return file
