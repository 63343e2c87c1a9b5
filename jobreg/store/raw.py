"""The plain driver on our tables: the least that storing runs, and ending them, costs there.

``jobreg bench`` sets our own figures beside it. The tables, indexes, columns and connection are
ours; there is no check, no job, no other process, and nothing between the SQL and the driver.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from ..errors import StoreError
from ..request import new_run_id
from .database import READ_WITHIN
from .store import Store
from .tables import attempts, runs

AT_ONCE = 100
"""Runs that are claimed together, and then settled together."""

Pair = tuple[tuple[Any, ...], tuple[Any, ...]]
"""A row of jobreg_runs and the one of jobreg_live that goes with it."""

_RUNS = (
    "run_id, job_name, params, queue, priority, tags, created_at, scheduled_at, attempt, tries, "
    "crashes"
)
_LIVE = (
    "run_id, job_name, state, queue, priority, queue_by_default, priority_by_default, due_at, "
    "attempt, tries, crashes, cancel_requested"
)
_ATTEMPTS = "run_id, attempt, outcome, worker_id, host, pid, dist, version, started_at, finished_at"
_ENDED = "state = 'succeeded', attempt = 1, tries = 1, dist = 'd', version = '1'"
_WORKER = "00000000-0000-7000-8000-000000000000"


def queued(job_name: str, number: int) -> list[Pair]:
    """The rows of so many new runs."""
    now = _now()
    made = []
    for each in range(number):
        run_id = new_run_id()
        asked = (run_id, job_name, f'{{"number":{each}}}', "default", 0, "[]", now, now, 0, 0, 0)
        waits = (run_id, job_name, "queued", "default", 0, 1, 1, now, 0, 0, 0, 0)
        made.append((asked, waits))
    return made


class Driver:
    """SQLite's driver, and what MySQL's does alike."""

    mark: ClassVar[str] = "?"
    begin: ClassVar[str | None] = "BEGIN IMMEDIATE"
    locking: ClassVar[str] = ""

    def __init__(self, connection: Any, inside: str) -> None:
        self.connection = connection
        self.cursor = connection.cursor()
        self.runs, self.live, self.attempts = (
            f"{inside}jobreg_{name}" for name in ("runs", "live", "attempts")
        )

    def insert(self, pairs: Sequence[Pair]) -> None:
        """Store runs, each in a transaction of its own."""
        into_runs, into_live = self._into(self.runs, _RUNS), self._into(self.live, _LIVE)
        for asked, waits in pairs:
            self._begin()
            self.cursor.execute(into_runs, asked)
            self.cursor.execute(into_live, waits)
            self.connection.commit()

    def insert_many(self, pairs: Sequence[Pair]) -> None:
        """Store runs, all in one transaction."""
        self._begin()
        self.cursor.executemany(self._into(self.runs, _RUNS), [asked for asked, _ in pairs])
        self.cursor.executemany(self._into(self.live, _LIVE), [waits for _, waits in pairs])
        self.connection.commit()

    def drain(self, job_name: str) -> None:
        """Claim and settle every queued run of a job, each batch in two transactions."""
        while self._finish(job_name):
            pass

    def _finish(self, job_name: str) -> bool:
        """Claim some and settle them; False when there are none."""
        seqs, claimed = self._claim(job_name)
        if seqs:
            self._settle(seqs, claimed)
        return bool(seqs)

    def _claim(self, job_name: str) -> tuple[list[int], list[tuple[str, str]]]:
        """The places in jobreg_live of what was taken, and each run's id and parameters."""
        self._begin()
        self.cursor.execute(
            f"SELECT seq, run_id FROM {self.live} WHERE state = 'queued' AND queue = 'default' "
            f"AND job_name = {self.mark} ORDER BY priority DESC, due_at, seq "
            f"LIMIT {AT_ONCE}{self.locking}",
            (job_name,),
        )
        heads = self.cursor.fetchall()
        seqs, run_ids = [seq for seq, _ in heads], [run_id for _, run_id in heads]
        claimed: list[tuple[str, str]] = []
        if heads:
            self.cursor.execute(
                f"UPDATE {self.live} SET state = 'running', attempt = attempt + 1, "
                f"worker_id = {self.mark}, started_at = {self.mark} "
                f"WHERE seq IN ({self._marks(len(seqs))})",
                (_WORKER, _now(), *seqs),
            )
            self.cursor.execute(
                f"SELECT run_id, params FROM {self.runs} "
                f"WHERE run_id IN ({self._marks(len(run_ids))})",
                run_ids,
            )
            claimed = list(self.cursor.fetchall())
        self.connection.commit()
        return seqs, claimed

    def _settle(self, seqs: list[int], claimed: list[tuple[str, str]]) -> None:
        """History first, then out of jobreg_live under the fence, then what came out."""
        now, run_ids = _now(), [run_id for run_id, _ in claimed]
        self._begin()
        self.cursor.executemany(
            self._into(self.attempts, _ATTEMPTS),
            [(each, 1, "succeeded", _WORKER, "h", 1, "d", "1", now, now) for each in run_ids],
        )
        self.cursor.execute(
            f"DELETE FROM {self.live} WHERE seq IN ({self._marks(len(seqs))}) AND attempt = 1 "
            f"AND worker_id = {self.mark} AND state = 'running'",
            (*seqs, _WORKER),
        )
        cases = f" WHEN {self.mark} THEN {self.mark}" * len(claimed)
        self.cursor.execute(
            f"UPDATE {self.runs} SET {_ENDED}, worker_id = {self.mark}, "
            f"started_at = {self.mark}, finished_at = {self.mark}, "
            f"result = CASE run_id{cases} END WHERE run_id IN ({self._marks(len(run_ids))})",
            (_WORKER, now, now, *(text for pair in claimed for text in pair), *run_ids),
        )
        self.connection.commit()

    def _begin(self) -> None:
        if self.begin:
            self.cursor.execute(self.begin)

    def _into(self, table: str, columns: str) -> str:
        return f"INSERT INTO {table} ({columns}) VALUES ({self._marks(columns.count(',') + 1)})"

    def _marks(self, number: int) -> str:
        return ", ".join([self.mark] * number)


class MySQL(Driver):
    """PyMySQL, which begins by itself, and makes one statement of many rows to insert."""

    mark = "%s"
    begin = None
    locking = " FOR UPDATE SKIP LOCKED"


class PostgreSQL(Driver):
    """psycopg: a transaction is one statement, and so one round trip; many rows are a COPY."""

    mark = "%s"

    def __init__(self, connection: Any, inside: str) -> None:
        connection.autocommit = True
        super().__init__(connection, inside)

    def insert(self, pairs: Sequence[Pair]) -> None:
        """Store runs by one statement each."""
        into_runs, into_live = self._into(self.runs, _RUNS), self._into(self.live, _LIVE)
        for asked, waits in pairs:
            self.cursor.execute(f"WITH asked AS ({into_runs}) {into_live}", (*asked, *waits))

    def insert_many(self, pairs: Sequence[Pair]) -> None:
        """Store runs by two COPY in one transaction."""
        with self.connection.transaction():
            for at, into in enumerate((f"{self.runs} ({_RUNS})", f"{self.live} ({_LIVE})")):
                with self.cursor.copy(f"COPY {into} FROM STDIN") as copy:
                    for pair in pairs:
                        copy.write_row(pair[at])

    def _finish(self, job_name: str) -> bool:
        """Claim some by one statement, settle them by another; False when there are none."""
        self.cursor.execute(
            f"WITH taken AS (UPDATE {self.live} SET state = 'running', attempt = attempt + 1, "
            "worker_id = %s, started_at = %s WHERE seq = ANY(ARRAY("
            f"SELECT seq FROM {self.live} WHERE state = 'queued' AND queue = 'default' "
            f"AND job_name = %s ORDER BY priority DESC, due_at, seq LIMIT {AT_ONCE} "
            "FOR UPDATE SKIP LOCKED)) RETURNING run_id) "
            f"SELECT run_id, params FROM taken JOIN {self.runs} USING (run_id)",
            (_WORKER, _now(), job_name),
        )
        claimed, now = self.cursor.fetchall(), _now()
        if claimed:
            run_ids, results = zip(*claimed, strict=True)
            self.cursor.execute(
                # The '' keeps it from the index by worker, in which the dead of this drain pile up.
                f"WITH gone AS (DELETE FROM {self.live} WHERE run_id = ANY(%s) AND attempt = 1 "
                "AND worker_id || '' = %s RETURNING run_id AS id), "
                f"kept AS (INSERT INTO {self.attempts} ({_ATTEMPTS}) "
                "SELECT id, 1, 'succeeded', %s, 'h', 1, 'd', '1', %s, %s FROM gone) "
                f"UPDATE {self.runs} SET {_ENDED}, worker_id = %s, started_at = %s, "
                "finished_at = %s, result = done.result "
                "FROM gone JOIN unnest(%s::text[], %s::text[]) AS done (id, result) USING (id) "
                "WHERE run_id = id",
                (list(run_ids), _WORKER, _WORKER, now, now, _WORKER, now, now,
                 list(run_ids), list(results)),
            )  # fmt: skip
        return bool(claimed)


_DRIVERS: dict[str, type[Driver]] = {
    "sqlite": Driver,
    "mysql": MySQL,
    "mariadb": MySQL,
    "postgresql": PostgreSQL,
}


@contextmanager
def driver(store: Store) -> Iterator[Driver]:
    """A connection of the driver, as the store makes them, used by nobody else.

    Raises:
        StoreError: the database did not do what it was told.
    """
    dialect = store.engine.dialect
    inside = "" if store.database.schema is None else f'"{store.database.schema}".'
    try:
        connection = store.engine.raw_connection()
        try:
            store.database.bound(connection.dbapi_connection, READ_WITHIN)
            yield _DRIVERS[dialect.name](connection.dbapi_connection, inside)
        finally:
            connection.invalidate()  # it is not as the pool's are any more
    except (DBAPIError, dialect.loaded_dbapi.Error) as error:
        wrapped = error if isinstance(error, DBAPIError) else DBAPIError("raw", None, error)
        told = store.database.told(wrapped)
        raise StoreError(f"The store {store.url} cannot do this: {told}.") from error


def ended(store: Store, job_name: str) -> Iterator[tuple[Any, ...]]:
    """Id, state, result and attempt of each run of a job, with number and outcome of an attempt:
    once for each that it had, and once where it had none.
    """
    shown = (runs.c.run_id, runs.c.state, runs.c.result, runs.c.attempt)
    rows = (
        select(*shown, attempts.c.attempt, attempts.c.outcome)
        .outerjoin_from(runs, attempts, attempts.c.run_id == runs.c.run_id)
        .where(runs.c.job_name == job_name)
    )
    with store.reading() as connection:
        yield from (tuple(row) for row in connection.execute(rows))


def _now() -> int:
    return time.time_ns() // 1000
