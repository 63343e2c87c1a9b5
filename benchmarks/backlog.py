"""What claim, submit and find cost behind a long backlog, beside a store of 1,000 queued runs.

    python benchmarks/backlog.py [sqlite] [postgres] [mysql] [--rows 1000000] [--plans]

Two stores of each kind, asked in turns: a small one (1,000 queued runs, and 25 in each other state,
for who looks for some must find some) that stays so, and one to which is added, in turn, ``--rows``
queued runs of the worker's own jobs, as many of jobs it lacks, as many scheduled ones, and twice as
many finished ones (on SQLite finished ones alone, as many). Each figure is the median of its verb,
in milliseconds, and the ratio to the small store's. ``--plans`` prints the query plans of the hot
statements at the end. The servers are those of the tests.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Executable
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ClauseElement

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import servers
import stores
from store_hands import add_worker, asked, claim, offer, outcome, settle

from jobreg.lifecycle import Ending, State
from jobreg.selection import Selection
from jobreg.store import Store, claim_statements, finding, open_store, reading_statements

OWN = tuple(f"own.job{number}" for number in range(10))
FOREIGN = "foreign.job"
SMALL = 1000
SINCE = datetime(2000, 1, 1, tzinfo=UTC)
ROUNDS = 60

# A source of the numbers 0 to :rows - 1, for the bulk.
NUMBERS = {
    "sqlite": (
        "WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n + 1 < {rows})"
    ),
    "postgresql": "WITH s(n) AS (SELECT generate_series(0, {rows} - 1))",
    "mysql": "WITH s AS (SELECT seq AS n FROM seq_0_to_{last})",
}
JOINED = {
    "sqlite": "'{prefix}' || printf('%012x', n)",
    "postgresql": "'{prefix}' || lpad(to_hex(n), 12, '0')",
    "mysql": "concat('{prefix}', lpad(hex(n), 12, '0'))",
}
NAMED = {
    "sqlite": "'{name}' || (n % 10)",
    "postgresql": "'{name}' || (n % 10)",
    "mysql": "concat('{name}', n % 10)",
}
RUNS = """INSERT INTO jobreg_runs (run_id, job_name, params, queue, priority, tags, created_at,
    scheduled_at, state, result, attempt, tries, crashes, started_at, finished_at)
    {numbers} SELECT {run_id}, {job_name}, '{{}}', 'default', 0, '[]', {at}, {at}, {state},
    'null', 0, 0, 0, {at}, {at} FROM s"""
LIVE = """INSERT INTO jobreg_live (run_id, job_name, state, queue, priority, queue_by_default,
    priority_by_default, due_at, attempt, tries, crashes, cancel_requested)
    {numbers} SELECT {run_id}, {job_name}, '{state}', 'default', 0, 0, 0, {at}, 0, 0, 0, 0 FROM s"""


class Explain(Executable, ClauseElement):
    """What a database would do for a statement."""

    inherit_cache = False

    def __init__(self, statement: Any) -> None:
        self.statement = statement


@compiles(Explain)
def _explain(element: Explain, compiler: Any, **options: Any) -> str:
    words = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN (COSTS OFF)"}
    word = words.get(compiler.dialect.name, "EXPLAIN")
    return f"{word} {compiler.process(element.statement, **options)}"


def add_rows(store: Store, prefix: str, name: str, state: str, rows: int) -> None:
    """Add that many runs of ten jobs in one state, by the database alone."""
    kind = store.engine.dialect.name
    final = state in ("succeeded", "failed")
    now = 2_000_000_000_000_000 if state == "scheduled" else 1_750_000_000_000_000
    words = {
        "numbers": NUMBERS[kind].format(rows=rows, last=rows - 1),
        "run_id": JOINED[kind].format(prefix=prefix),
        "job_name": NAMED[kind].format(name=name),
        "at": f"{now} + n",
    }
    with store.engine.connect() as connection:
        # This is not a statement of ours: it takes as long as it takes.
        store.database.bound(connection.connection.dbapi_connection, None)
        if kind == "postgresql":
            connection.exec_driver_sql("SET statement_timeout = 0")
        run_state = f"'{state}'" if final else "NULL"
        filled = RUNS.format(**words, state=run_state)
        connection.exec_driver_sql(filled.replace("%", "%%") if kind != "sqlite" else filled)
        if not final:
            filled = LIVE.format(**words, state=state)
            connection.exec_driver_sql(filled.replace("%", "%%") if kind != "sqlite" else filled)
        connection.commit()
    vacuum(store)


def vacuum(store: Store) -> None:
    """Let the database learn what is in its tables, as one in production has."""
    words = {"sqlite": "ANALYZE {}", "postgresql": "VACUUM ANALYZE {}", "mysql": "ANALYZE TABLE {}"}
    with store.engine.connect() as connection:
        raw = connection.execution_options(isolation_level="AUTOCOMMIT")
        if store.engine.dialect.name == "postgresql":
            raw.exec_driver_sql("SET statement_timeout = 0")
        store.database.bound(raw.connection.dbapi_connection, None)
        for table in ("jobreg_runs", "jobreg_live"):
            raw.exec_driver_sql(words[store.engine.dialect.name].format(table))


class Side:
    """One store with a worker that provides its own jobs."""

    def __init__(self, url: str) -> None:
        self.store = open_store(url)
        self.store.insert([asked(OWN[number % 10]) for number in range(SMALL)])
        self.worker = add_worker(self.store, names=OWN, lease=86_400.0)
        for ending in (Ending.SUCCEEDED, Ending.ERROR):
            taken = claim(self.store, self.worker, offer(OWN[0], most=25)) or []
            outcomes = [outcome(each, ending) for each in taken]
            settle(self.store, self.worker, *outcomes)
        self.run_id = self.store.insert([asked(OWN[0]) for _ in range(50)])[0].run_id
        self.store.insert([asked(OWN[0], delay=86_400.0) for _ in range(25)])
        vacuum(self.store)

    def claim(self) -> Any:
        """Look which names are due, and take ten runs."""
        return claim(self.store, self.worker, *(offer(name, most=10) for name in OWN))

    def reads(self) -> dict[str, Callable[[], Any]]:
        """What only looks; asked first, while nothing newer than the backlog is there."""
        store = self.store
        return {
            "next due": store.stage_due,
            "get": lambda: store.get(self.run_id),
            "find": lambda: store.find(most=20),
            "find by job": lambda: store.find(Selection(job_name=OWN[1]), most=20),
            "find since": lambda: store.find(Selection(since=SINCE), most=20),
            "find queued": lambda: store.find(Selection(state=State.QUEUED), most=20),
            "find scheduled": lambda: store.find(Selection(state=State.SCHEDULED), most=20),
            "find failed": lambda: store.find(Selection(state=State.FAILED), most=20),
        }

    def writes(self) -> dict[str, Callable[[], Any]]:
        """What changes the store."""
        return {"submit": lambda: self.store.insert([asked(OWN[3])]), "claim 10": self.claim}

    def mend(self, verb: str, answer: Any) -> None:
        """Bring the store back to what it was before a claim."""
        if verb == "claim 10":
            assert len(answer) == 10, answer
            assert settle(self.store, self.worker, *map(outcome, answer)) == []
            self.store.insert([asked(each.job_name) for each in answer])


def measure(sides: dict[str, Side], rounds: int) -> dict[str, dict[str, float]]:
    """Median milliseconds of each verb on each side, asked in turns."""
    taken: dict[str, dict[str, list[float]]] = {}
    for group in (Side.reads, Side.writes):
        for number in range(rounds + 5):
            for label, side in sides.items():
                for verb, ask in group(side).items():
                    begun = time.perf_counter()
                    answer = ask()
                    spent = time.perf_counter() - begun
                    side.mend(verb, answer)
                    if number >= 5:
                        taken.setdefault(verb, {}).setdefault(label, []).append(spent * 1000)
    return {
        verb: {label: statistics.median(times) for label, times in by_side.items()}
        for verb, by_side in taken.items()
    }


def urls(kind: str, folder: Path) -> Iterator[str]:
    """URLs of fresh stores of one kind, on a server that ends with the last."""
    if kind == "sqlite":
        for number in range(2):
            yield f"sqlite:///{folder}/{number}.db"
        return
    made = {"postgres": servers.PostgresServer, "mysql": servers.MariaServer}[kind]
    options: tuple[str, ...] = ("--innodb-buffer-pool-size=2G",) if kind == "mysql" else ()
    settings = {"shared_buffers": "1GB", "max_wal_size": "8GB"} if kind == "postgres" else {}
    server = made(*options, **settings)
    databases = servers.Databases(server.url, server)
    try:
        for _ in range(2):
            yield databases.fresh()
    finally:
        server.close()


def plans(store: Store) -> None:
    """Print what the database does for the hot statements."""
    hot: list[tuple[str, Any, dict[str, Any]]] = [
        ("which names are due", claim_statements.due_names(), {}),
        (
            "heads of one name",
            claim_statements.heads(),
            {"queue": "default", "name": OWN[1], "most": 10},
        ),
        ("next due", claim_statements.next_due(store.now), {}),
        ("some runs", reading_statements.runs_by_id(), {"run_ids": ["x", "y"]}),
    ]
    late = {"at": 2**62, "before": 2**62, "most": 20}
    for order, words in (
        ("name", {"job_name": OWN[1]}), ("state", {"state": "failed"}),
        ("due", {"live_state": "queued"}), ("time", {"since": 1}),
    ):  # fmt: skip
        also = tuple(each for each in words if each not in ("job_name", "state"))
        page = finding.page_of_runs(order, also)
        hot.append((f"a page of runs by {order}", page, {**late, **words}))
    if store.engine.dialect.name == "mysql":
        hot[0] = ("next due name", claim_statements.next_due_name(), {"queue": "", "name": ""})
    for title, statement, words in hot:
        print(f"\n{title}:")
        with store.writing() as connection:
            for row in connection.execute(Explain(statement), words):
                print("   ", *(each for each in row if each is not None))


def run(kind: str, rows: int, rounds: int, show_plans: bool) -> float:
    """Measure one kind of store; the largest ratio of all."""
    worst = 0.0
    steps = [
        (f"{rows:,} queued of its names", "a", "own.job", "queued", rows),
        (f"+ {rows:,} queued of others", "b", FOREIGN, "queued", rows),
        (f"+ {rows:,} scheduled", "c", "own.job", "scheduled", rows),
        (f"+ {rows:,} succeeded", "d", "own.job", "succeeded", rows),
        (f"+ {rows:,} failed", "e", "own.job", "failed", rows),
    ]
    if kind == "sqlite":
        steps = [(f"{rows:,} succeeded", "d", "own.job", "succeeded", rows)]
    with tempfile.TemporaryDirectory() as folder:
        made = urls(kind, Path(folder))
        sides = {"small": Side(next(made)), "full": Side(next(made))}
        print(f"\n{kind}: median ms on a store of {SMALL:,} queued runs and behind a backlog")
        for title, letter, name, state, number in steps:
            begun = time.perf_counter()
            prefix = f"0000000{letter}-0000-7000-8000-"
            add_rows(sides["full"].store, prefix, name, state, number)
            print(f"{title} (filled in {time.perf_counter() - begun:.0f} s)")
            for verb, times in measure(sides, rounds).items():
                ratio = times["full"] / times["small"]
                worst = max(worst, ratio)
                print(f"    {verb:14} {times['small']:8.2f} {times['full']:8.2f}   {ratio:5.2f} x")
            sys.stdout.flush()
        if show_plans:
            plans(sides["full"].store)
        for side in sides.values():
            side.store.close()
        made.close()
    return worst


def main() -> None:
    """Measure the stores asked for; exit with 1 where a verb takes over 1.5 times as long."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "kinds", nargs="*", type=stores.kind, default=["sqlite", "postgres", "mysql"]
    )
    parser.add_argument("--rows", type=stores.some, default=1_000_000)
    parser.add_argument("--rounds", type=stores.some, default=ROUNDS)
    parser.add_argument("--plans", action="store_true")
    given = parser.parse_args()
    worst = {k: run(k, given.rows, given.rounds, given.plans) for k in given.kinds}
    print("\nlargest ratio:", ", ".join(f"{kind} {ratio:.2f}" for kind, ratio in worst.items()))
    sys.exit(int(max(worst.values()) > 1.5))


if __name__ == "__main__":
    main()
