"""What pruning costs, beside the fewest words in which the driver deletes those rows.

    python benchmarks/prune.py [sqlite] [postgres] [mysql] [--runs 20000]

Each run has its attempt, and both delete 500 runs a transaction. jobreg looks whether they are old
enough and still over, locks them, and deletes what they logged. In turns, after one turn that does
not count; the figures are medians. The servers are those of the tests.
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

from jobreg.store import Store, open_store
from jobreg.store.pruning import BATCH

TURNS = 3
NUMBERS = {
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n + 1 < {0})",
    "postgresql": "WITH s(n) AS (SELECT generate_series(0, {0} - 1))",
    "mysql": "WITH s AS (SELECT seq AS n FROM seq_0_to_{1})",
}
RUN = (
    "INSERT INTO jobreg_runs (run_id, job_name, params, queue, priority, state, attempt, tries, "
    "crashes, tags, created_at, scheduled_at, finished_at) "
)
ATTEMPT = (
    "INSERT INTO jobreg_attempts (run_id, attempt, outcome, worker_id, host, pid, dist, version, "
    "started_at, finished_at) "
)


def fill(store: Store, number: int) -> None:
    """Make so many runs that succeeded long ago."""
    kind = store.engine.dialect.name
    numbers = NUMBERS[kind].format(number, number - 1)
    run_id = "CAST(n AS CHAR(36))" if kind == "mysql" else "CAST(n AS VARCHAR(36))"
    rows = (
        (RUN, f"{run_id}, 'prune.job', '{{}}', 'default', 0, 'succeeded', 1, 1, 0, '[]', n, n, n"),
        (ATTEMPT, f"{run_id}, 1, 'succeeded', 'w', 'h', 1, 'd', '1', n, n"),
    )
    with store.writing() as connection:
        for into, values in rows:
            select = f"SELECT {values} FROM s"
            said = f"{into}{numbers} {select}" if kind == "mysql" else f"{numbers} {into}{select}"
            connection.exec_driver_sql(said)


def by_driver(store: Store) -> None:
    """Delete them in batches as large as jobreg's."""
    oldest = f"SELECT run_id FROM jobreg_runs ORDER BY created_at, seq LIMIT {BATCH}"
    mark = "?" if store.engine.dialect.name == "sqlite" else "%s"
    while True:
        with store.writing() as connection:
            raw: Any = connection.connection.dbapi_connection
            cursor = raw.cursor()
            cursor.execute(oldest)
            ids = [run_id for (run_id,) in cursor.fetchall()]
            marks = ", ".join([mark] * len(ids))
            for table in ("jobreg_attempts", "jobreg_runs") if ids else ():
                cursor.execute(f"DELETE FROM {table} WHERE run_id IN ({marks})", ids)
            if not ids:
                return


def by_jobreg(store: Store) -> None:
    """Delete them as workers and ``jobreg store prune`` do."""
    while store.history.prune("succeeded", 60.0):
        pass


def main() -> None:
    """Measure on each database asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("stores", nargs="*", default=["sqlite", "postgres", "mysql"])
    parser.add_argument("--runs", type=int, default=20_000)
    asked = parser.parse_args()
    print(f"{'':11} {'runs':>8} {'driver':>10} {'jobreg':>10} {'':>11} {'ratio':>8}")
    for name in asked.stores:
        with (
            tempfile.TemporaryDirectory() as folder,
            servers.store_url(name, folder) as url,
        ):
            store = open_store(url)
            took: dict[str, list[float]] = {"driver": [], "jobreg": []}
            for _ in range(TURNS + 1):
                for way in (by_driver, by_jobreg):
                    fill(store, asked.runs)
                    began = time.perf_counter()
                    way(store)
                    took[way.__name__[3:]].append(time.perf_counter() - began)
            driver, ours = (statistics.median(each[1:]) for each in took.values())
            print(
                f"{store.engine.dialect.name:11} {asked.runs:>8,} {driver:8.2f} s {ours:8.2f} s "
                f"{asked.runs / ours:>9,.0f}/s {ours / driver:6.1f} x",
                flush=True,
            )
            store.close()


if __name__ == "__main__":
    main()
