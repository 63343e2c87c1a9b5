"""What SQLite is told of many runs at once: claimed, and done. In the driver's own words.

A ``+`` before a column keeps its index out: the row is known by its number or id.

The statements that every run passes are written out here, because to have SQLAlchemy bind each
row costs as much as SQLite takes for it (docs/performance.md). They do what those of
:mod:`.claim_statements` and :mod:`.settle_statements` do; all else goes by these.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain
from typing import Any, NamedTuple

from .. import clock as process
from ..lifecycle import Claim, Outcome
from . import records
from .offers import Basis, Head, Offer, Pair, Wanted

HEADS = """
SELECT {place}, seq, priority, due_at, job_name, suspect, max_attempts, max_crashes
FROM jobreg_live
WHERE state = 'queued' AND queue = ? AND job_name = ?
ORDER BY priority DESC, due_at, seq
LIMIT ?"""

_SUSPECT, _ONLY_ONCE = 2, 1

# The same, lean, and to be put in the order of all pairs as they are; the fourth says of what kind,
# the last of which pair.
NEXT_OF_PAIR = """
SELECT -priority, due_at, seq, CASE WHEN coalesce(suspect, 0) > 0 THEN 2
    ELSE coalesce(max_attempts, {tries:d}) = 1 AND coalesce(max_crashes, {crashes:d}) = 1 END, ?
FROM jobreg_live
WHERE state = 'queued' AND queue = ? AND job_name = ?
ORDER BY priority DESC, due_at, seq
LIMIT ?"""

# In the order in which records.claim_under takes them, behind the run's id and attempt. The last
# five are a note to be settled by: nobody changes them while the run runs, but for the progress.
_OF_CLAIM = """live.tries, live.crashes, runs.params, runs.timeout, runs.max_attempts,
    runs.max_crashes, runs.max_age, {now} - runs.scheduled_at, live.suspect,
    live.seq, runs.seq, live.queue, live.priority, live.progress"""

# Heads, each with all that a claim is made of, and whether it is to be taken apart from others.
NEXT = f"""
SELECT live.seq, coalesce(live.suspect, 0) > ? OR (
        coalesce(live.max_attempts, ?) = 1 AND coalesce(live.max_crashes, ?) = 1),
    live.run_id, live.attempt + 1, {_OF_CLAIM}
FROM jobreg_live AS live
CROSS JOIN jobreg_runs AS runs ON runs.run_id = live.run_id
WHERE live.state = 'queued' AND live.queue = ? AND live.job_name = ?
    AND EXISTS (SELECT 1 FROM jobreg_workers WHERE worker_id = ? AND state = 'live'){{more}}
ORDER BY live.priority DESC, live.due_at, live.seq
LIMIT ?"""

# Where nobody has looked: nothing else waits, which might come before it, and this is not paused.
UNSEEN = """
    AND NOT EXISTS (
        SELECT 1 FROM jobreg_live WHERE state = 'queued' AND (queue, job_name) < (?, ?))
    AND NOT EXISTS (
        SELECT 1 FROM jobreg_live WHERE state = 'queued' AND (queue, job_name) > (?, ?))
    AND NOT EXISTS (
        SELECT 1 FROM jobreg_pauses
        WHERE (kind = 'queue' AND name = ?) OR (kind = 'job' AND name = ?))"""

LIVE = "SELECT 1 FROM jobreg_workers WHERE worker_id = ? AND state = 'live'"

LET_GO = "SELECT 1 LIMIT 0"
"""Ends what was not read to its end: as long as that lasts, the write-ahead log only grows."""

# To undo this statement alone SQLite would keep a copy of each page that it writes.
TAKE = """
UPDATE OR ROLLBACK jobreg_live
SET state = 'running', attempt = attempt + 1, worker_id = ?, dist = ?, version = ?,
    started_at = {now}, try_limit = coalesce(max_attempts, ?),
    crash_limit = coalesce(max_crashes, ?)
WHERE seq IN (SELECT value FROM json_each(?)) AND +state = 'queued'"""

CLAIMED = f"""
SELECT live.seq, live.run_id, live.attempt, {_OF_CLAIM}
FROM json_each(?) AS taken
CROSS JOIN jobreg_live AS live ON live.seq = taken.value
CROSS JOIN jobreg_runs AS runs ON runs.run_id = live.run_id
WHERE +live.worker_id = ? AND +live.state = 'running'"""

HELD = """
SELECT run_id, attempt, progress
FROM jobreg_live
WHERE seq IN (SELECT value FROM json_each(?)) AND +worker_id = ? AND +state = 'running'"""

KEEP_ATTEMPTS = """
INSERT INTO jobreg_attempts
    (run_id, attempt, outcome, worker_id, host, pid, dist, version, started_at, finished_at)
VALUES (?, ?, 'succeeded', ?, ?, ?, ?, ?, ?, ?)"""

FINISH_LIVE = """
DELETE FROM jobreg_live
WHERE seq = ? AND +run_id = ? AND attempt = ? AND +worker_id = ? AND +state = 'running'
    AND progress IS ?"""

FINISH_RUNS = """
UPDATE jobreg_runs
SET state = 'succeeded', result = ?, attempt = ?, tries = ?, crashes = ?, progress = ?,
    queue = ?, priority = ?, dist = ?, version = ?, started_at = ?, finished_at = ?, worker_id = ?
WHERE seq = ? AND +run_id = ? AND +state IS NULL"""

# SQLite takes 500 selects in one.
_TOGETHER = 50

Execute = Callable[[str, Any], Any]
"""Executes a statement with its values; what it returns is like a cursor of the driver."""


def heads(execute: Execute, most: Mapping[Pair, int]) -> dict[Pair, list[Head]]:
    """The first queued runs, at most so many, of each pair, in order."""
    found: dict[Pair, list[Head]] = {pair: [] for pair in most}
    pairs = list(most)
    for first in range(0, len(pairs), _TOGETHER):
        some = pairs[first : first + _TOGETHER]
        asked = [value for pair in some for value in (*pair, most[pair])]
        for place, *head in execute(_heads_of(len(some)), tuple(asked)).fetchall():
            found[some[place]].append(Head._make(head))
    return found


@cache
def _heads_of(number: int) -> str:
    """The statement for so many pairs: each for itself costs as much to send as to answer."""
    return _together([HEADS.format(place=place) for place in range(number)])


@lru_cache(maxsize=64)
def _next_of(number: int, tries: int, crashes: int) -> str:
    """The statement for so many pairs, as :func:`_heads_of`."""
    return _together([NEXT_OF_PAIR.format(tries=tries, crashes=crashes)] * number)


def _together(each: Sequence[str]) -> str:
    """One statement for what these find, one after the other."""
    if len(each) == 1:
        return each[0]
    # Whatever has an ORDER of its own must stand in brackets there.
    return " UNION ALL ".join(f"SELECT * FROM ({one})" for one in each)


def take(
    execute: Execute, now: str, worker_id: str, basis: Basis, seqs: Sequence[int]
) -> Sequence[Any]:
    """Claim queued runs by their live rows; see :meth:`.database.Database.take`."""
    numbers = _mark(execute, now, worker_id, basis, seqs)
    rows: Sequence[Any] = execute(CLAIMED.format(now=now), (numbers, worker_id)).fetchall()
    return rows


def _mark(execute: Execute, now: str, worker_id: str, basis: Basis, seqs: Sequence[int]) -> str:
    """Let queued runs be this worker's; their live rows, as one value of a statement."""
    numbers = str(list(seqs))  # JSON too, of whole numbers
    limits = basis.max_attempts, basis.max_crashes
    asked = (worker_id, basis.provider.dist, basis.provider.version, *limits, numbers)
    execute(TAKE.format(now=now), asked)
    return numbers


def claim(
    execute: Execute,
    now: str,
    worker_id: str,
    queue: str,
    offer: Offer,
    alone: bool,
    unseen: bool = False,
) -> Iterator[Claim]:
    """Claim from one pair; see :attr:`.database.Database.claim_at_once`.

    The claims are made as they are asked for, which need not be while others wait for the lock.
    Where it is ``unseen`` what waits, nothing is taken unless that pair is all there is.
    """
    basis = offer.basis
    limits = basis.max_attempts, basis.max_crashes
    pair = queue, offer.job_name
    more, besides = (UNSEEN, pair * 3) if unseen else ("", ())
    suspects = int(alone and offer.most == 1)
    asked = (suspects, *limits, *pair, worker_id, *besides, offer.most)
    # One after the other: what comes after one that is not taken may hold much, and is not read.
    taken, left = list[Sequence[Any]](), False
    for row in execute(NEXT.format(now=now, more=more), asked):
        left = bool(row[1])  # not to be taken ahead, in company, or again
        if left:
            break
        taken.append(row)
    if taken:
        # Nobody else writes between the two: what was read is what is taken.
        _mark(execute, now, worker_id, basis, [row[0] for row in taken])
    elif left:
        execute(LET_GO, ())
    return (records.claim_under(offer, worker_id, *row[2:]) for row in taken)


def claim_pairs(
    execute: Execute, now: str, worker_id: str, offers: Mapping[Pair, Offer]
) -> Iterator[Claim]:
    """Claim from several pairs; see :attr:`.database.Database.claim_pairs_at_once`.

    The claims are read as they are asked for: they are nobody else's once this is committed.
    """
    some = list(offers.values())
    basis, wanted = some[0].basis, Wanted.of(some)
    chosen = []
    if execute(LIVE, (worker_id,)).fetchone():
        chosen = _next(execute, basis, list(offers), wanted)
    for nth, (_, _, _, kind, _) in enumerate(chosen):
        if kind == _SUSPECT or (kind == _ONLY_ONCE and nth >= wanted.at_once):
            del chosen[nth:]
            break
    if not chosen:
        return iter(())
    numbers = _mark(execute, now, worker_id, basis, [seq for _, _, seq, _, _ in chosen])
    return _read(execute, now, worker_id, numbers, {seq: some[at] for _, _, seq, _, at in chosen})


def _read(
    execute: Execute, now: str, worker_id: str, numbers: str, offers: Mapping[int, Offer]
) -> Iterator[Claim]:
    """Claims that are marked, by the numbers of their live rows; in the order of the offers."""
    rows = execute(CLAIMED.format(now=now), (numbers, worker_id)).fetchall()
    taken = {row[0]: row for row in rows}
    for seq, offer in offers.items():
        if seq in taken:
            yield records.claim_under(offer, worker_id, *taken[seq][1:])


def _next(
    execute: Execute, basis: Basis, pairs: Sequence[Pair], wanted: Wanted
) -> list[tuple[int, int, int, int, int]]:
    """What comes next of all pairs together; nothing where to know that more was to be read."""
    most, read = wanted.most, wanted.read
    asked = [(at, *pair, read[at]) for at, pair in enumerate(pairs)]
    found = list[Any]()
    for first in range(0, len(asked), _TOGETHER):
        part = asked[first : first + _TOGETHER]
        words = _next_of(len(part), basis.max_attempts, basis.max_crashes)
        found += execute(words, tuple(chain.from_iterable(part))).fetchall()
    # Of a pair that may have more, what comes after the last that was read is not known to be next.
    number_of, last = Counter(row[-1] for row in found), {row[-1]: row for row in found}
    ends = [row for at, row in last.items() if read[at] <= number_of[at] and read[at] < most[at]]
    found.sort()
    if ends:
        del found[bisect_right(found, min(ends)) :]
        if 2 * len(found) < wanted.in_all:
            return []
    return found[: wanted.in_all]


class NotAsNoted(Exception):
    """A run no longer is as the note of its claim says; which one, :func:`as_noted` tells.

    What was written of it and of others is to be taken back.
    """


class Finished(NamedTuple):
    """What is to be written of runs that succeeded, by the notes of their claims."""

    attempts: list[Any]
    fences: list[Any]
    finals: list[Any]
    left: list[Outcome]
    """Those that have no note: nothing of them is written."""

    @classmethod
    def of(cls, clock: int, worker_id: str, host: str, outcomes: Sequence[Outcome]) -> Finished:
        """Make the rows; ``clock`` is the database's, now."""
        made, seconds = cls([], [], [], []), process.seconds()
        for each in outcomes:
            provider = each.provider
            if not each.row or provider is None:
                made.left.append(each)
                continue
            seq, of_run, queue, priority, progress = each.row
            run_id, attempt = each.run_id, each.attempt
            age, took = records.age_and_duration(each, seconds)
            over = clock - age
            came = provider.dist, provider.version, over - took, over
            made.attempts.append((run_id, attempt, worker_id, host, each.pid, *came))
            made.fences.append((seq, run_id, attempt, worker_id, progress))
            if each.progress is not None:
                progress = records.progress_text(each.progress)
            made.finals.append(
                (each.result, attempt, each.tries, each.crashes, progress, queue, priority, *came,
                 worker_id, of_run, run_id)
            )  # fmt: skip
        return made

    def write(self, execute_many: Execute) -> None:
        """Write them; raises NotAsNoted."""
        if self.fences:
            if execute_many(FINISH_LIVE, self.fences).rowcount < len(self.fences):
                raise NotAsNoted
            execute_many(FINISH_RUNS, self.finals)
            execute_many(KEEP_ATTEMPTS, self.attempts)


def as_noted(
    execute: Execute, worker_id: str, outcomes: Sequence[Outcome]
) -> tuple[list[Outcome], list[Outcome]]:
    """The outcomes whose runs are as the notes of their claims say; and all others."""
    seqs = str([each.row[0] for each in outcomes if each.row])
    held = {tuple(row) for row in execute(HELD, (seqs, worker_id)).fetchall()}
    noted, others = list[Outcome](), list[Outcome]()
    for each in outcomes:
        is_so = each.row and (each.run_id, each.attempt, each.row[-1]) in held
        (noted if is_so and each.provider is not None else others).append(each)
    return noted, others
