"""What submit_many costs, beside the fewest words in which the driver itself writes those rows.

    python benchmarks/bulk.py [sqlite] [postgres] [mysql] [--runs 10000 100000]

Both write one row of jobreg_runs and one of jobreg_live for each run, in one transaction, into the
same tables with the same indexes: the driver by executemany (SQLite), by two COPY (PostgreSQL), by
INSERT of a thousand rows at a time (MariaDB). jobreg checks every run, looks whether its id is
there, and gives each back as it was stored. In turns, after one turn that does not count; the
figures are medians in seconds, runs a second, and the ratio. The servers are those of the tests.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import servers

from jobreg import Client, Registry
from jobreg.request import new_run_id
from jobreg.store import Store, open_store
from jobreg.testing import write_plugin

JOB = "bulk.job"
RUNS = (
    "run_id", "job_name", "params", "queue", "priority", "tags", "created_at", "scheduled_at",
    "attempt", "tries", "crashes",
)  # fmt: skip
LIVE = (
    "run_id", "job_name", "state", "queue", "priority", "queue_by_default", "priority_by_default",
    "due_at", "attempt", "tries", "crashes", "cancel_requested",
)  # fmt: skip
NOW = 1_800_000_000_000_000
AT_ONCE = 1000


def rows(number: int) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """What the driver is to write."""
    ids = [new_run_id() for _ in range(number)]
    asked = [
        (each, JOB, f'{{"x":{n}}}', "default", 0, "[]", NOW, NOW, 0, 0, 0)
        for n, each in enumerate(ids)
    ]
    waiting = [(each, JOB, "queued", "default", 0, 1, 1, NOW, 0, 0, 0, 0) for each in ids]
    return asked, waiting


def by_driver(store: Store, number: int) -> None:
    """Write so many runs by the driver alone."""
    kind = store.engine.dialect.name
    with store.writing() as connection:
        raw: Any = connection.connection.dbapi_connection
        cursor = raw.cursor()
        pairs = zip(("jobreg_runs", "jobreg_live"), (RUNS, LIVE), rows(number), strict=True)
        for table, names, values in pairs:
            into = f"{table} ({', '.join(names)})"
            if kind == "postgresql":
                with cursor.copy(f"COPY {into} FROM STDIN") as copy:
                    for row in values:
                        copy.write_row(row)
            elif kind == "sqlite":
                marks = ", ".join("?" * len(names))
                cursor.executemany(f"INSERT INTO {into} VALUES ({marks})", values)
            else:
                one = f"({', '.join(['%s'] * len(names))})"
                for first in range(0, number, AT_ONCE):
                    some = values[first : first + AT_ONCE]
                    cursor.execute(
                        f"INSERT INTO {into} VALUES {', '.join([one] * len(some))}",
                        [value for row in some for value in row],
                    )


def compare(url: str, registry: Registry, number: int, turns: int) -> None:
    """Take turns on one store, which is emptied in between, and print what was measured."""
    store = open_store(url)
    client = Client(url, registry=registry)
    wanted = [(JOB, {"x": n}) for n in range(number)]
    ways = {
        "driver": lambda: by_driver(store, number),
        "submit_many": lambda: client.submit_many(wanted),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(turns + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            took[name].append(time.perf_counter() - began)
            with store.writing() as connection:
                store.database.begin_alone(connection)
                for table in ("jobreg_live", "jobreg_runs"):
                    connection.exec_driver_sql(f"DELETE FROM {table}")
    driver, ours = (statistics.median(each[1:]) for each in took.values())
    print(
        f"{store.engine.dialect.name:11} {number:>8,} {driver:8.2f} s {ours:8.2f} s "
        f"{number / ours:>9,.0f}/s {ours / driver:6.1f} x",
        flush=True,
    )
    store.close()


def main() -> None:
    """Measure on each database asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("stores", nargs="*", default=["sqlite", "postgres", "mysql"])
    parser.add_argument("--runs", nargs="*", type=int, default=[10_000, 100_000])
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    print(f"{'':11} {'runs':>8} {'driver':>10} {'submit_many':>10} {'':>11} {'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        write_plugin(Path(folder), {JOB: "bulk_jobs:run"}, modules={"bulk_jobs.py": ""})
        registry = Registry(path=[folder])
        for name in asked.stores:
            with servers.store_url(name, folder) as url:
                for number in asked.runs:
                    compare(url, registry, number, asked.turns)


if __name__ == "__main__":
    main()
