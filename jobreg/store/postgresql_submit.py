"""New runs enter PostgreSQL, in the driver's own words: one by one statement, many by COPY.

Each statement is a journey to the server, so that one run takes one: both its rows, and the word
to those who listen.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..lifecycle import RunRecord
from . import new_runs, records
from .new_runs import Kind
from .packets import slices
from .postgresql_arrays import array_of_texts

# Whoever says what it knows of the job stores nothing where that is not all there is to know: the
# signs are those of :attr:`.catalogue.Known.signs`.
INSERT_ONE = """
WITH asked AS (
    INSERT INTO {runs} (run_id, job_name, params, queue, priority, timeout, max_attempts,
        max_crashes, max_age, tags, retried_from, unique_key, created_at, scheduled_at, attempt,
        tries, crashes)
    SELECT %s, given.job_name, %s, %s, %s::smallint, %s::float8, %s::integer, %s::integer,
        %s::float8, %s, %s, %s, given.now, coalesce(%s::bigint, given.now + %s::bigint), 0, 0, 0
    FROM (SELECT %s::varchar AS job_name, %s::text[] AS signs, {now} AS now) AS given
    WHERE given.signs IS NULL OR given.signs = ARRAY(
        SELECT sign
        FROM (
            SELECT 'seen ' || dist || ' ' || version || ' ' || last_seen AS sign
            FROM {catalogue} WHERE job_name = given.job_name
            UNION ALL
            SELECT 'set ' || option_name || ' ' || value
            FROM {overrides} WHERE job_name = given.job_name
        ) AS known
        ORDER BY sign COLLATE "C"
    )
    RETURNING run_id, job_name, queue, priority, max_attempts, max_crashes, unique_key,
        created_at, scheduled_at
), waits AS (
    INSERT INTO {live} (run_id, job_name, state, queue, priority, queue_by_default,
        priority_by_default, due_at, attempt, tries, crashes, max_attempts, max_crashes,
        unique_key, cancel_requested)
    SELECT run_id, job_name, CASE WHEN scheduled_at > created_at THEN 'scheduled' ELSE 'queued'
        END, queue, priority, %s::smallint, %s::smallint, scheduled_at, 0, 0, 0, max_attempts,
        max_crashes, unique_key, 0
    FROM asked
)
SELECT created_at, pg_notify('{channel}',
    CASE WHEN scheduled_at > created_at THEN '' ELSE queue || chr(10) || job_name END)
FROM asked"""

COPY = "COPY {table} ({columns}) FROM STDIN"

_ESCAPED = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


class Words:
    """The statements, with the tables and the channel of one schema."""

    def __init__(self, schema: str | None, channel: str) -> None:
        before = "" if schema is None else '"{}".'.format(schema.replace('"', '""'))
        names = ("runs", "live", "catalogue", "overrides")
        self._names = {name: f"{before}jobreg_{name}" for name in names}
        self._channel = channel.replace("'", "''").replace("%", "%%")
        self.copy_runs = COPY.format(table=self._names["runs"], columns=", ".join(new_runs.ASKED))
        self.copy_live = COPY.format(table=self._names["live"], columns=", ".join(new_runs.WAITING))
        self.insert_one = lru_cache(4)(self._insert_one)

    def _insert_one(self, now: str) -> str:
        """The statement that stores one run, by this clock; it returns when that was."""
        return INSERT_ONE.format(**self._names, now=now, channel=self._channel)

    def copy(self, cursor: Any, now: int, runs: Sequence[RunRecord]) -> list[RunRecord]:
        """Store new runs, asked for at ``now``, and return them as they stand."""
        kinds = new_runs.Kinds(now)
        ends: dict[int, tuple[str, str]] = {}
        asked: list[str] = []
        of: list[Kind] = []
        stored: list[RunRecord] = []
        # While the server takes up some, the next are made here. It has most to do with those
        # that wait, so they come first, and what is not needed for them comes later.
        with cursor.copy(self.copy_live) as copy:
            for some in slices(runs):
                waits = []
                for run in some:
                    kind = kinds.of(run)
                    end = ends.get(id(kind)) or ends.setdefault(id(kind), _ends(kind))
                    begin = f"{_field(run.run_id)}\t{_field(run.job_name)}\t"
                    waits.append(begin + end[1])
                    asked.append(f"{begin}{_field(run.params)}\t{end[0]}")
                    of.append(kind)
                copy.write("".join(waits))
        with cursor.copy(self.copy_runs) as copy:
            for lines, some, their in zip(slices(asked), slices(runs), slices(of), strict=True):
                copy.write("".join(lines))
                stored += [kind.stored(run) for kind, run in zip(their, some, strict=True)]
        return stored


def _ends(kind: Kind) -> tuple[str, str]:
    """The ends of both rows as COPY reads them."""
    asked, waits = ("\t".join(map(_field, row)) + "\n" for row in (kind.asked, kind.waits))
    return asked, waits


def _field(value: Any) -> str:
    if value is None:
        return "\\N"
    if not isinstance(value, str):
        return str(value)
    if "\\" in value or not value.isprintable():
        return value.translate(_ESCAPED)
    return value


def values_of(run: RunRecord, signs: Sequence[str] | None = None) -> tuple[Any, ...]:
    """What the statement for one run binds; with ``signs``, what was known of its job."""
    at, lasting = run.scheduled_at, new_runs.lasting_of(run)
    return (
        run.run_id, run.params, *lasting.asked,
        None if at is None else records.to_stored_time(at), records.micros(run.delay),
        run.job_name, None if signs is None else array_of_texts(signs), *lasting.by_default,
    )  # fmt: skip
