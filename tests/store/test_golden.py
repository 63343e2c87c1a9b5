"""The SQL of every statement, as each database gets it, in files that a review can read.

``python tests/store/test_golden.py`` writes them anew.
"""

from __future__ import annotations

import inspect
import itertools
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy.dialects.mysql import pymysql
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import pysqlite

from jobreg.store import (
    activity,
    claim_statements,
    finding,
    importing,
    job_statements,
    mysql,
    postgresql,
    pruning,
    reading_statements,
    renaming,
    settle_statements,
    sqlite,
    statements,
    tables,
    tokens,
    worker_statements,
)

_CACHED = type(cache(len))  # every statement is built once

FOLDER = Path(__file__).with_name("golden")
DATABASES: dict[str, tuple[Any, Any]] = {
    "sqlite": (pysqlite.dialect(paramstyle="named"), sqlite.NOW),
    "postgresql": (psycopg.dialect(paramstyle="named"), postgresql.NOW),
    "mysql": (pymysql.dialect(paramstyle="named"), mysql.NOW),
}
# Modules whose functions each make one statement.
MODULES: tuple[ModuleType, ...] = (
    statements,
    claim_statements,
    settle_statements,
    worker_statements,
    reading_statements,
    finding,
    pruning,
    renaming,
    importing,
    job_statements,
    activity,
    tokens,
)
# What the functions are called with, by the name of the argument; ``now`` is the database's.
ARGUMENTS: dict[str, tuple[object, ...]] = {
    "all_jobs": (False, True),
    "order": ("seq", "name", "state", "due", "time"),
    "also": (
        (),
        ("state",),
        ("reason",),
        ("queue",),
        ("dist", "version"),
        ("unique_key",),
        ("tag",),
        ("since", "until"),
    ),
    "channel": ("jobreg",),
    "claimed": (False, True),
    "one_attempt": (False, True),
    "number": (2,),
    "table": tuple(
        tables.metadata.tables[f"jobreg_{name}"] for name in ("catalogue", "owners", "pauses")
    ),
}


def makers() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Each function that makes a statement, by name."""
    for module in MODULES:
        for name, made in vars(module).items():
            if isinstance(made, _CACHED) and name != "given_now":
                yield name, made


def calls(make: Callable[..., Any], now: Any, dialect: Any) -> Iterator[tuple[str, Any]]:
    """Every statement that one function makes, with what it was called with."""
    names = list(inspect.signature(make).parameters)
    values = [(now,) if name == "now" else ARGUMENTS.get(name, (False,)) for name in names]
    for chosen in itertools.product(*values):
        if sum(value is not first[0] for value, first in zip(chosen, values, strict=True)) > 1:
            continue  # each difference by itself says it all
        given = dict(zip(names, chosen, strict=True))
        if given.get("channel") and dialect.name != "postgresql":
            continue
        if "final" in given:
            given["final"] = given["state"] == "failed"
        told = ", ".join(f"{key}={value}" for key, value in given.items() if key != "now")
        yield told, make(*given.values())


def text_of(statement: Any, dialect: Any) -> str:
    """A statement as SQL, its constants written out, its parameters by name."""
    compiled = statement.compile(dialect=dialect)
    constants = {
        name: repr(value)
        for name, value in compiled.construct_params(_check=False).items()
        if value is not None
    }
    text = re.sub(r"__\[POSTCOMPILE_(\w+)\]", r":\1, ...", str(compiled))
    text = re.sub(r"(?<![:\w]):(\w+)", lambda it: constants.get(it[1], it[0]), text)
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(
        r" (FROM(?! clock)|WHERE|ORDER BY|GROUP BY|LIMIT|VALUES|SET|FOR|LEFT|UNION) ",
        r"\n\1 ",
        text,
    )
    return "\n".join(
        textwrap.fill(line, 99, subsequent_indent="    ", break_long_words=False)
        for line in text.splitlines()
    )


def texts(database: str) -> dict[str, str]:
    """What the files of one database are to hold, by the name of the statement."""
    dialect, now = DATABASES[database]
    found = {}
    for name, make in makers():
        parts = [
            (f"-- {told}\n" if told else "") + text_of(statement, dialect) + ";\n"
            for told, statement in calls(make, now, dialect)
        ]
        if parts:
            found[name] = "\n".join(parts)
    return found


@pytest.mark.parametrize("database", DATABASES)
def test_the_files_say_what_each_database_is_sent(database: str) -> None:
    files = {file.stem: file.read_text("utf-8") for file in (FOLDER / database).glob("*.sql")}

    made = texts(database)

    assert files.keys() == made.keys()
    different = [name for name in made if made[name] != files[name]]
    assert different == [], "if so meant: python tests/store/test_golden.py"


def test_what_follows_now_takes_the_clock_of_the_database() -> None:
    clocks = {"sqlite": "julianday('now')", "postgresql": "clock_timestamp()", "mysql": "UTC_"}

    for database, clock in clocks.items():
        made = texts(database)
        told = {name for name, text in made.items() if clock in text}
        wanted = {name for name, make in makers() if "now" in inspect.signature(make).parameters}
        assert told == wanted


def write() -> None:
    """Write all files anew."""
    for database in DATABASES:
        folder = FOLDER / database
        folder.mkdir(parents=True, exist_ok=True)
        made = texts(database)
        for file in folder.glob("*.sql"):
            if file.stem not in made:
                file.unlink()
        for name, text in made.items():
            (folder / f"{name}.sql").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
