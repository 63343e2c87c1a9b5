"""What the plain driver can do on jobreg's own tables: the limit that the others measure against.

    python benchmarks/limits.py [sqlite] [postgres] [mysql] [--runs 20000] [--rounds 3]

It writes what jobreg writes: both rows of a run at submit; at the claim the fence, the worker, the
provider and the start; at the settle the run's result, its attempt and its end, under the fence.
It knows no jobs, checks nothing and looks at one name. Each figure is the median of the rounds, at
the best of the batch sizes tried; *two* are two processes with a connection each.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import stores
from sqlalchemy import make_url
from stores import Place

from jobreg.request import new_run_id

JOB = "bench.noop"
WORKER = "00000000-0000-7000-8000-000000000001"
DIST, VERSION, HOST = "bench", "1.0", "localhost"
NOW = 1_800_000_000_000_000
RUNS = (
    "run_id", "job_name", "params", "queue", "priority", "tags", "created_at", "scheduled_at",
    "attempt", "tries", "crashes",
)  # fmt: skip
LIVE = (
    "run_id", "job_name", "state", "queue", "priority", "queue_by_default", "priority_by_default",
    "due_at", "attempt", "tries", "crashes", "cancel_requested",
)  # fmt: skip
ATTEMPTS = (
    "run_id", "attempt", "outcome", "worker_id", "host", "pid", "dist", "version", "started_at",
    "finished_at",
)  # fmt: skip
BATCHES = (100, 500, 1000)

Pair = tuple[tuple[Any, ...], tuple[Any, ...]]


def rows(number: int) -> list[Pair]:
    """The two rows of so many runs."""
    made = []
    for n in range(number):
        run_id = new_run_id()  # in order of time, as jobreg's are: kinder to an index
        asked = (run_id, JOB, f'{{"x":{n}}}', "default", 0, "[]", NOW, NOW, 0, 0, 0)
        made.append((asked, (run_id, JOB, "queued", "default", 0, 1, 1, NOW, 0, 0, 0, 0)))
    return made


def into(table: str, names: Sequence[str], mark: str, many: int = 1) -> str:
    """An INSERT of so many rows."""
    one = f"({', '.join([mark] * len(names))})"
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join([one] * many)}"


class SQLite:
    """One connection of sqlite3."""

    def __init__(self, url: str, sync: str = "full") -> None:
        self.connection = sqlite3.connect(str(make_url(url).database), isolation_level=None)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute(f"PRAGMA synchronous={sync}")

    def insert(self, pairs: Sequence[Pair]) -> None:
        """Both rows of each run, in one transaction."""
        execute = self.connection.executemany
        self.connection.execute("BEGIN IMMEDIATE")
        execute(into("jobreg_runs", RUNS, "?"), [asked for asked, _ in pairs])
        execute(into("jobreg_live", LIVE, "?"), [waits for _, waits in pairs])
        self.connection.execute("COMMIT")

    def claim(self, most: int) -> list[Any]:
        """Take so many: (run_id, attempt, params)."""
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        found = execute(
            "SELECT l.seq, l.run_id, l.attempt + 1, r.params FROM jobreg_live l "
            "CROSS JOIN jobreg_runs r ON r.run_id = l.run_id WHERE l.state = 'queued' "
            "AND l.queue = 'default' AND l.job_name = ? "
            "ORDER BY l.priority DESC, l.due_at, l.seq LIMIT ?",
            (JOB, most),
        ).fetchall()
        seqs = ", ".join(str(row[0]) for row in found)
        execute(
            "UPDATE jobreg_live SET state = 'running', attempt = attempt + 1, worker_id = ?, "
            "dist = ?, version = ?, started_at = ?, try_limit = 1, crash_limit = 3 "
            f"WHERE seq IN ({seqs})",
            (WORKER, DIST, VERSION, NOW),
        )
        execute("COMMIT")
        return [row[1:] for row in found]

    def settle(self, taken: Sequence[Any]) -> None:
        """All of them succeeded."""
        execute = self.connection.executemany
        self.connection.execute("BEGIN IMMEDIATE")
        execute(
            "DELETE FROM jobreg_live WHERE run_id = ? AND attempt = ? AND worker_id = ? "
            "AND state = 'running'",
            [(run_id, attempt, WORKER) for run_id, attempt, _ in taken],
        )
        execute(into("jobreg_attempts", ATTEMPTS, "?"), attempts_of(taken))
        execute(
            "UPDATE jobreg_runs SET state = 'succeeded', result = ?, attempt = ?, tries = 1, "
            "started_at = ?, finished_at = ?, dist = ?, version = ?, worker_id = ? "
            "WHERE run_id = ? AND state IS NULL",
            [(p, a, NOW, NOW, DIST, VERSION, WORKER, run_id) for run_id, a, p in taken],
        )
        self.connection.execute("COMMIT")

    def look(self, words: str) -> Any:
        """The first row that a query finds."""
        return self.connection.execute(words).fetchone()

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()


class PostgreSQL:
    """One connection of psycopg, which prepares what it says often."""

    CLAIM = (
        "WITH taken AS (UPDATE jobreg_live SET state = 'running', attempt = attempt + 1, "
        "worker_id = %s, dist = %s, version = %s, started_at = %s, try_limit = 1, crash_limit = 3 "
        "WHERE ctid = ANY(ARRAY(SELECT ctid FROM jobreg_live WHERE state = 'queued' "
        "AND queue = 'default' AND job_name = %s ORDER BY priority DESC, due_at, seq LIMIT %s "
        "FOR UPDATE SKIP LOCKED)) RETURNING run_id, attempt) "
        "SELECT taken.run_id, taken.attempt, r.params FROM taken "
        "JOIN jobreg_runs r ON r.run_id = taken.run_id"
    )
    # CASE hides the fence from the planner: without statistics it believes that hardly a row passes
    # and takes the index of the states, or a nested loop: 60 ms for a batch of 100 in place of 6.
    SETTLE = (
        "WITH gone AS (DELETE FROM jobreg_live l "
        "USING unnest(%s::varchar[], %s::int[], %s::text[]) AS g(run_id, attempt, result) "
        "WHERE l.run_id = g.run_id AND CASE WHEN l.attempt = g.attempt AND l.worker_id = %s "
        "AND l.state = 'running' THEN true ELSE false END "
        "RETURNING l.run_id, l.attempt, l.started_at, g.result), "
        "kept AS (INSERT INTO jobreg_attempts (run_id, attempt, outcome, worker_id, host, pid, "
        "dist, version, started_at, finished_at) SELECT run_id, attempt, 'succeeded', %s, %s, 1, "
        "%s, %s, started_at, %s FROM gone) "
        "UPDATE jobreg_runs r SET state = 'succeeded', result = gone.result, "
        "attempt = gone.attempt, tries = 1, started_at = gone.started_at, finished_at = %s, "
        "dist = %s, version = %s, worker_id = %s FROM gone WHERE r.run_id = gone.run_id "
        "AND CASE WHEN r.state IS NULL THEN true ELSE false END"
    )

    def __init__(self, url: str) -> None:
        import psycopg

        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.prepare_threshold = 0
        # A plan made for an empty table would be kept for a full one: half the rate and less.
        self.connection.execute("SET plan_cache_mode = force_custom_plan")
        for name in ("jit", "enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
            self.connection.execute(f"SET {name} = off")

    def insert(self, pairs: Sequence[Pair]) -> None:
        """Both rows of each run: one in one statement, many by COPY."""
        with self.connection.cursor() as cursor:
            if len(pairs) == 1:
                both = f"WITH r AS ({into('jobreg_runs', RUNS, '%s')}) "
                cursor.execute(both + into("jobreg_live", LIVE, "%s"), pairs[0][0] + pairs[0][1])
                return
            with self.connection.transaction():
                for table, names, which in (("jobreg_runs", RUNS, 0), ("jobreg_live", LIVE, 1)):
                    asked = f"COPY {table} ({', '.join(names)}) FROM STDIN"
                    with cursor.copy(asked) as copy:
                        for pair in pairs:
                            copy.write_row(pair[which])

    def claim(self, most: int) -> list[Any]:
        """Take so many: (run_id, attempt, params)."""
        words = (WORKER, DIST, VERSION, NOW, JOB, most)
        return self.connection.execute(self.CLAIM, words).fetchall()

    def settle(self, taken: Sequence[Any]) -> None:
        """All of them succeeded."""
        ids, numbers, results = (list(each) for each in zip(*taken, strict=True))
        of = (WORKER, HOST, DIST, VERSION, NOW)
        words = (ids, numbers, results, WORKER, *of, NOW, DIST, VERSION, WORKER)
        self.connection.execute(self.SETTLE, words)

    def look(self, words: str) -> Any:
        """The first row that a query finds."""
        return self.connection.execute(words).fetchone()

    def close(self) -> None:
        """Let go of the server."""
        self.connection.close()


class MariaDB:
    """One connection of PyMySQL."""

    def __init__(self, url: str) -> None:
        import pymysql

        where = make_url(url)
        self.connection = pymysql.connect(
            host=where.host, port=where.port or 3306, user=where.username,
            password=where.password or "", database=where.database, charset="utf8mb4",
        )  # fmt: skip
        with self.connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def insert(self, pairs: Sequence[Pair]) -> None:
        """Both rows of each run, a thousand to a statement."""
        with self.connection.cursor() as cursor:
            for first in range(0, len(pairs), 1000):
                some = pairs[first : first + 1000]
                for table, names, which in (("jobreg_runs", RUNS, 0), ("jobreg_live", LIVE, 1)):
                    values = [value for pair in some for value in pair[which]]
                    cursor.execute(into(table, names, "%s", len(some)), values)
        self.connection.commit()

    def claim(self, most: int) -> list[Any]:
        """Take so many: (run_id, attempt, params)."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT seq FROM jobreg_live FORCE INDEX (jobreg_live_heads) "
                "WHERE state = 'queued' AND queue = 'default' AND job_name = %s "
                "ORDER BY priority DESC, due_at, seq LIMIT %s FOR UPDATE SKIP LOCKED",
                (JOB, most),
            )
            seqs = [seq for (seq,) in cursor.fetchall()]
            if not seqs:
                self.connection.commit()
                return []
            cursor.execute(
                "UPDATE jobreg_live SET state = 'running', attempt = attempt + 1, worker_id = %s, "
                "dist = %s, version = %s, started_at = %s, try_limit = 1, crash_limit = 3 "
                "WHERE seq IN %s",
                (WORKER, DIST, VERSION, NOW, seqs),
            )
            cursor.execute(
                "SELECT l.run_id, l.attempt, r.params FROM jobreg_live l "
                "JOIN jobreg_runs r ON r.run_id = l.run_id WHERE l.seq IN %s",
                (seqs,),
            )
            taken = list(cursor.fetchall())
        self.connection.commit()
        return taken

    def settle(self, taken: Sequence[Any]) -> None:
        """All of them succeeded."""
        ids = [run_id for run_id, _, _ in taken]
        with self.connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM jobreg_live WHERE (run_id, attempt) IN %s AND worker_id = %s "
                "AND state = 'running'",
                ([(run_id, attempt) for run_id, attempt, _ in taken], WORKER),
            )
            values = [value for row in attempts_of(taken) for value in row]
            cursor.execute(into("jobreg_attempts", ATTEMPTS, "%s", len(taken)), values)
            # The results are many, the rest is one for all.
            chosen = "CASE run_id " + "WHEN %s THEN %s " * len(taken) + "END"
            results = [value for run_id, _, params in taken for value in (run_id, params)]
            cursor.execute(
                f"UPDATE jobreg_runs SET state = 'succeeded', result = {chosen}, attempt = 1, "
                "tries = 1, started_at = %s, finished_at = %s, dist = %s, version = %s, "
                "worker_id = %s WHERE run_id IN %s AND state IS NULL",
                (*results, NOW, NOW, DIST, VERSION, WORKER, ids),
            )
        self.connection.commit()

    def look(self, words: str) -> Any:
        """The first row that a query finds."""
        with self.connection.cursor() as cursor:
            cursor.execute(words)
            found = cursor.fetchone()
        self.connection.commit()
        return found

    def close(self) -> None:
        """Let go of the server."""
        self.connection.close()


def attempts_of(taken: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The history rows of what was claimed."""
    of = (WORKER, HOST, 1, DIST, VERSION, NOW, NOW)
    return [(run_id, attempt, "succeeded", *of) for run_id, attempt, _ in taken]


def connect(url: str, sync: str = "full") -> Any:
    """A connection of the driver of a store's URL."""
    kind = make_url(url).get_backend_name()
    if kind == "sqlite":
        return SQLite(url, sync)
    return PostgreSQL(url) if kind == "postgresql" else MariaDB(url)


def one_by_one(url: str, number: int, sync: str = "full") -> float:
    """Runs inserted a second, each in a transaction of its own."""
    driver, pairs = connect(url, sync), rows(number)
    begun = time.perf_counter()
    for pair in pairs:
        driver.insert([pair])
    rate = number / (time.perf_counter() - begun)
    driver.close()
    return rate


def in_bulk(url: str, number: int, sync: str = "full") -> float:
    """Runs inserted a second, all in one transaction."""
    driver, pairs = connect(url, sync), rows(number)
    begun = time.perf_counter()
    driver.insert(pairs)
    rate = number / (time.perf_counter() - begun)
    driver.close()
    return rate


def empty_out(url: str, batch: int, sync: str) -> tuple[float, float, int]:
    """Claim and settle until nothing is queued; when that began and ended, and how many."""
    driver = connect(url, sync)
    begun, number = time.time(), 0
    while taken := driver.claim(batch):
        driver.settle(taken)
        number += len(taken)
    ended = time.time()
    driver.close()
    return begun, ended, number


def drain(url: str, number: int, batch: int, processes: int = 1, sync: str = "full") -> float:
    """Runs claimed and settled a second, from so many processes."""
    driver = connect(url, sync)
    driver.insert(rows(number))
    driver.close()
    if processes == 1:
        parts = [empty_out(url, batch, sync)]
    else:
        asked = [sys.executable, __file__, "--part", json.dumps([url, batch, sync])]
        open_pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        some = [subprocess.Popen(asked, text=True, **open_pipes) for _ in range(processes)]
        try:
            for each in some:
                each.stdout.readline()  # it is ready
            for each in some:
                each.stdin.write("\n")
                each.stdin.flush()
            parts = [json.loads(each.communicate()[0]) for each in some]
        finally:
            for each in some:
                each.kill()  # where it has not ended
    assert sum(part[2] for part in parts) == number, parts
    return number / (max(part[1] for part in parts) - min(part[0] for part in parts))


def part(url: str, batch: int, sync: str) -> None:
    """What a process of several does: say that it is ready, wait for the word, and begin."""
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(empty_out(url, batch, sync)))


def best(number: int, rounds: int, ways: dict[Any, Callable[[int], float]]) -> tuple[Any, float]:
    """The way with the best median of several rounds, taken in turns, and its rate."""
    found: dict[Any, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, measure in ways.items():
            found[way].append(measure(number))
    medians = {way: statistics.median(rates) for way, rates in found.items()}
    way = max(medians, key=lambda each: medians[each])
    return way, medians[way]


def claim_and_settle(
    place: Place, number: int, rounds: int, processes: int, sync: str = "full"
) -> tuple[int, float]:
    """The best batch size, and the rate at it, on so many connections; each time a new store."""

    def with_batch(batch: int) -> Callable[[int], float]:
        return lambda many: drain(place.fresh(), many, batch, processes, sync)

    return best(number, rounds, {batch: with_batch(batch) for batch in BATCHES})


def show(kind: str, number: int, rounds: int, sync: str) -> None:
    """Print the line of one kind of store."""
    with stores.place(kind) as place:
        few = max(number // 10, 100)
        alone = best(few, rounds, {0: lambda many: one_by_one(place.fresh(), many, sync)})[1]
        bulk = best(number, rounds, {0: lambda many: in_bulk(place.fresh(), many, sync)})[1]
        by_one = claim_and_settle(place, number, rounds, 1, sync)
        by_two = claim_and_settle(place, number, rounds, 2, sync)
    title = f"{kind} {sync}" if kind == "sqlite" else kind
    drained = "".join(f"{rate:>11,.0f} at {batch:>4}" for batch, rate in (by_one, by_two))
    print(f"{title:14}{alone:>12,.0f}{bulk:>11,.0f}{drained}", flush=True)


def main() -> None:
    """Print the table, in runs a second."""
    if sys.argv[1:2] == ["--part"]:
        part(*json.loads(sys.argv[2]))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("kinds", nargs="*", type=stores.kind, default=stores.KINDS)
    parser.add_argument("--runs", type=stores.some, default=20_000)
    parser.add_argument("--rounds", type=stores.some, default=3)
    given = parser.parse_args()
    print(f"{'runs a second':14}{'one by one':>12}{'bulk':>11}{'drain, one':>19}{'drain, two':>19}")
    for kind in given.kinds:
        for sync in ("full", "normal") if kind == "sqlite" else ("full",):
            show(kind, given.runs, given.rounds, sync)


if __name__ == "__main__":
    main()
