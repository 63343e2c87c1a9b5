"""What PostgreSQL is told of many runs at once: claimed, and done. In the driver's own words.

Each is one statement for all of them, since every statement is a journey to the server. They do
what those of :mod:`.claim_statements` and :mod:`.settle_statements` do; all else goes by these.
``(...) IS TRUE`` keeps the planner from the other indexes: it would read through all that the
worker has held since the last vacuum. ``= ANY(ARRAY[...])`` of one leaves it no way but to look
each run up: the plan is kept, and while there are but two runs to read both looks as good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from .. import clock as process
from ..lifecycle import Claim, Outcome
from . import records
from .offers import Basis, Head, Offer, Pair, Wanted
from .postgresql_arrays import array_of_numbers, array_of_texts

# Asked for the least name, a planner that knows nothing of a table (it was filled just now) reads
# all that wait; asked for the first in the order of the index, and by all its columns, it jumps.
DUE = """
WITH RECURSIVE pair AS (
    (SELECT queue, job_name FROM {live} WHERE state = 'queued' ORDER BY queue, job_name LIMIT 1)
    UNION ALL
    SELECT next.queue, next.job_name
    FROM pair CROSS JOIN LATERAL (
        SELECT queue, job_name
        FROM {live}
        WHERE state = 'queued'
            AND (state, queue, job_name) > ('queued', pair.queue, pair.job_name)
        ORDER BY state, queue, job_name
        LIMIT 1
    ) AS next
)
SELECT queue, job_name
FROM pair
WHERE NOT EXISTS (
    SELECT 1
    FROM {pauses} AS pauses
    WHERE (pauses.kind = 'queue' AND pauses.name = pair.queue)
        OR (pauses.kind = 'job' AND pauses.name = pair.job_name)
)"""

HEADS = """
SELECT pair.place, seq, priority, due_at, job_name, suspect, max_attempts, max_crashes
FROM unnest(%s::varchar[], %s::varchar[], %s::int[]) WITH ORDINALITY
    AS pair (queue, name, most, place)
CROSS JOIN LATERAL (
    SELECT seq, priority, due_at, job_name, suspect, max_attempts, max_crashes
    FROM {live}
    WHERE state = 'queued' AND queue = pair.queue AND job_name = pair.name
    ORDER BY priority DESC, due_at, seq
    LIMIT pair.most
    FOR UPDATE SKIP LOCKED
) AS head"""

_SET = """
SET state = 'running', attempt = live.attempt + 1, worker_id = %s, dist = %s, version = %s,
    started_at = {now}, try_limit = coalesce(live.max_attempts, %s),
    crash_limit = coalesce(live.max_crashes, %s)"""

_RETURNING = """
RETURNING live.seq, live.run_id, live.attempt, live.tries, live.crashes, runs.params,
    runs.timeout, runs.max_attempts, runs.max_crashes, runs.max_age,
    {now} - runs.scheduled_at, live.suspect"""

TAKE = f"""
UPDATE {{live}} AS live{_SET}
FROM {{runs}} AS runs
WHERE live.seq = ANY(%s) AND (live.state = 'queued') IS TRUE
    AND runs.run_id = live.run_id{_RETURNING}"""

# The heads of one name alone, as many as come before one that is not taken as the others are. A row
# that is locked stays in its place: to go there takes half as long as to look it up by its number.
CLAIM = f"""
WITH alive AS MATERIALIZED (
    SELECT 1 FROM {{workers}} AS workers
    WHERE worker_id = %s AND state = 'live' AND NOT EXISTS (
        SELECT 1 FROM {{pauses}}
        WHERE (kind = 'queue' AND name = %s) OR (kind = 'job' AND name = %s)
    )
    FOR SHARE OF workers
), heads AS MATERIALIZED (
    SELECT ctid AS place, priority, due_at, seq, coalesce(suspect, 0) > %s OR (
        coalesce(max_attempts, %s) = 1 AND coalesce(max_crashes, %s) = 1) AS apart
    FROM {{live}}
    WHERE state = 'queued' AND queue = %s AND job_name = %s AND (SELECT count(*) FROM alive) = 1
    ORDER BY priority DESC, due_at, seq
    LIMIT %s
    FOR UPDATE SKIP LOCKED
), chosen AS (
    SELECT place, count(*) FILTER (WHERE apart) OVER (ORDER BY priority DESC, due_at, seq) AS apart
    FROM heads
)
UPDATE {{live}} AS live{_SET}
FROM {{runs}} AS runs
WHERE live.ctid = ANY(ARRAY(SELECT place FROM chosen WHERE apart = 0))
    AND (live.state = 'queued') IS TRUE
    AND runs.run_id = ANY(ARRAY[live.run_id]){_RETURNING}, live.priority, live.due_at"""

# The same of several pairs together: what comes after the last that was read of a pair that has
# more is not known to be next, and where that leaves too little nothing is taken. What may start
# only once is taken too, if it is among those that begin at once.
CLAIM_PAIRS = f"""
WITH alive AS MATERIALIZED (
    SELECT 1 FROM {{workers}} WHERE worker_id = %s AND state = 'live' FOR SHARE
), heads AS MATERIALIZED (
    SELECT pair.number, pair.most, pair.read, head.*
    FROM unnest(%s::varchar[], %s::varchar[], %s::int[], %s::int[]) WITH ORDINALITY
        AS pair (queue, name, most, read, number)
    CROSS JOIN LATERAL (
        SELECT ctid AS place, -priority::int AS rank, due_at, seq,
            coalesce(suspect, 0) > 0 AS alone,
            coalesce(max_attempts, %s) = 1 AND coalesce(max_crashes, %s) = 1 AS once
        FROM {{live}}
        WHERE state = 'queued' AND queue = pair.queue AND job_name = pair.name
        ORDER BY priority DESC, due_at, seq
        LIMIT pair.read
        FOR UPDATE SKIP LOCKED
    ) AS head
    WHERE (SELECT count(*) FROM alive) = 1
), last AS (
    SELECT DISTINCT ON (number) rank, due_at, seq,
        count(*) OVER (PARTITION BY number) >= read AND read < most AS has_more
    FROM heads
    ORDER BY number, rank DESC, due_at DESC, seq DESC
), ends AS (
    SELECT rank, due_at, seq FROM last WHERE has_more ORDER BY rank, due_at, seq LIMIT 1
), next AS (
    SELECT place, alone, once, row_number() OVER (ORDER BY rank, due_at, seq) AS nth
    FROM heads
    WHERE NOT EXISTS (
        SELECT 1 FROM ends
        WHERE (heads.rank, heads.due_at, heads.seq) > (ends.rank, ends.due_at, ends.seq))
), chosen AS (
    SELECT place, count(*) FILTER (WHERE alone OR (once AND nth > %s)) OVER (ORDER BY nth) AS apart
    FROM next
    WHERE nth <= %s
        AND (NOT EXISTS (SELECT 1 FROM ends) OR (SELECT 2 * count(*) FROM next) >= %s)
)
UPDATE {{live}} AS live{_SET}
FROM {{runs}} AS runs
WHERE live.ctid = ANY(ARRAY(SELECT place FROM chosen WHERE apart = 0))
    AND (live.state = 'queued') IS TRUE
    AND runs.run_id = ANY(ARRAY[live.run_id]){_RETURNING}, live.job_name, live.priority,
    live.due_at"""

FINISH = """
WITH given AS (
    SELECT * FROM unnest(%s::varchar[], %s::int[], %s::text[], %s::text[], %s::bigint[],
        %s::bigint[], %s::int[], %s::varchar[], %s::varchar[])
        AS given (run_id, attempt, result, progress, age, took, pid, dist, version)
), clock AS (
    SELECT {now} AS now
), gone AS (
    DELETE FROM {live} AS live USING given, clock
    WHERE live.run_id = ANY(ARRAY[given.run_id])
        AND (live.attempt = given.attempt AND live.worker_id = %s AND live.state = 'running')
            IS TRUE
    RETURNING live.run_id, live.attempt, live.tries, live.crashes, live.queue, live.priority,
        live.worker_id, coalesce(given.dist, live.dist) AS dist,
        coalesce(given.version, live.version) AS version,
        coalesce(given.progress, live.progress) AS progress, given.result, given.pid,
        clock.now - given.age - given.took AS started_at,
        clock.now - given.age AS finished_at
), kept AS (
    INSERT INTO {attempts} (run_id, attempt, outcome, worker_id, host, pid, dist, version,
        started_at, finished_at)
    SELECT run_id, attempt, 'succeeded', worker_id, %s, pid, dist, version, started_at,
        finished_at
    FROM gone
)
UPDATE {runs} AS runs
SET state = 'succeeded', result = gone.result, attempt = gone.attempt, tries = gone.tries,
    crashes = gone.crashes, progress = gone.progress, queue = gone.queue,
    priority = gone.priority, dist = gone.dist, version = gone.version,
    started_at = gone.started_at, finished_at = gone.finished_at, worker_id = gone.worker_id
FROM gone
WHERE runs.run_id = ANY(ARRAY[gone.run_id]) AND (runs.state IS NULL) IS TRUE
RETURNING runs.run_id, runs.attempt"""

_TABLES = ("live", "runs", "attempts", "workers", "pauses")

Execute = Callable[[str, Any], Any]
"""Executes a statement with its values; what it returns has ``fetchall``."""


class Words:
    """The statements, with the tables of one schema."""

    def __init__(self, schema: str | None) -> None:
        before = "" if schema is None else '"{}".'.format(schema.replace('"', '""'))
        names = {name: f"{before}jobreg_{name}" for name in _TABLES}
        self._due = DUE.format(**names)
        self._heads = HEADS.format(**names)
        self._take = TAKE.format(**names, now="{now}")
        self._claim = CLAIM.format(**names, now="{now}")
        self._claim_pairs = CLAIM_PAIRS.format(**names, now="{now}")
        self._finish = FINISH.format(**names, now="{now}")

    def due(self, execute: Execute) -> list[Pair]:
        """Which pairs have queued runs, and are not paused."""
        return [(queue, name) for queue, name in execute(self._due, ()).fetchall()]

    def heads(self, connection: Connection, most: Mapping[Pair, int]) -> dict[Pair, list[Head]]:
        """The first queued runs, at most so many, of each pair; none that others claim."""
        pairs = list(most)
        columns = [queue for queue, _ in pairs], [name for _, name in pairs], list(most.values())
        found: dict[Pair, list[Head]] = {pair: [] for pair in pairs}
        for place, *head in connection.exec_driver_sql(self._heads, columns).all():
            found[pairs[place - 1]].append(Head._make(head))
        return found

    def take(
        self,
        connection: Connection,
        now: str,
        worker_id: str,
        basis: Basis,
        seqs: Sequence[int],
    ) -> Sequence[Any]:
        """Claim queued runs by their live rows; see :meth:`.database.Database.take`."""
        asked = (worker_id, *_of(basis), list(seqs))
        return connection.exec_driver_sql(self._take.replace("{now}", now), asked).all()

    def claim(
        self, execute: Execute, now: str, worker_id: str, queue: str, offer: Offer, alone: bool
    ) -> list[Claim]:
        """Claim from one pair; see :attr:`.database.Database.claim_at_once`."""
        words = self._claim.replace("{now}", now)
        dist, version, tries, crashes = _of(offer.basis)
        pair = queue, offer.job_name
        suspects = int(alone and offer.most == 1)
        of_heads = worker_id, *pair, suspects, tries, crashes, *pair, offer.most
        rows = execute(words, (*of_heads, worker_id, dist, version, tries, crashes)).fetchall()
        rows.sort(key=_in_order)
        return [records.claim_under(offer, worker_id, *row[1:-2]) for row in rows]

    def claim_pairs(
        self, execute: Execute, now: str, worker_id: str, offers: Mapping[Pair, Offer]
    ) -> list[Claim]:
        """Claim from several pairs; see :attr:`.database.Database.claim_pairs_at_once`."""
        words = self._claim_pairs.replace("{now}", now)
        of_name = {offer.job_name: offer for offer in offers.values()}
        dist, version, tries, crashes = _of(next(iter(of_name.values())).basis)
        wanted = Wanted.of(offers.values())
        of_pairs = (
            array_of_texts(queue for queue, _ in offers),
            array_of_texts(name for _, name in offers),
            array_of_numbers(wanted.most),
            array_of_numbers(wanted.read),
        )
        many = wanted.at_once, wanted.in_all, wanted.in_all
        of_heads = worker_id, *of_pairs, tries, crashes, *many
        rows = execute(words, (*of_heads, worker_id, dist, version, tries, crashes)).fetchall()
        rows.sort(key=_in_order)
        return [records.claim_under(of_name[row[-3]], worker_id, *row[1:-3]) for row in rows]

    def finish(
        self, execute: Execute, now: str, worker_id: str, host: str, outcomes: Sequence[Outcome]
    ) -> list[Outcome]:
        """Write runs that succeeded, if they are this worker's at that attempt; the others."""
        seconds = process.seconds()
        lengths = [records.age_and_duration(each, seconds) for each in outcomes]
        providers = [each.provider for each in outcomes]
        asked = (
            array_of_texts(each.run_id for each in outcomes),
            array_of_numbers(each.attempt for each in outcomes),
            array_of_texts(each.result for each in outcomes),
            array_of_texts(records.progress_text(each.progress) for each in outcomes),
            array_of_numbers(age for age, _ in lengths),
            array_of_numbers(took for _, took in lengths),
            array_of_numbers(each.pid for each in outcomes),
            array_of_texts(None if each is None else each.dist for each in providers),
            array_of_texts(None if each is None else each.version for each in providers),
            worker_id,
            host,
        )
        rows = execute(self._finish.replace("{now}", now), asked).fetchall()
        if len(rows) == len(outcomes):
            return []
        done = {(row[0], row[1]) for row in rows}
        return [each for each in outcomes if (each.run_id, each.attempt) not in done]


def _in_order(row: Sequence[Any]) -> tuple[int, int, int]:
    """Of what a claim returned, the best first."""
    return -row[-2], row[-1], row[0]


def _of(basis: Basis) -> tuple[str, str, int, int]:
    return (
        basis.provider.dist,
        basis.provider.version,
        basis.max_attempts,
        basis.max_crashes,
    )
