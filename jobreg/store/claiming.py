"""Which queued runs a claim takes: heads by name, merged by priority, within every limit."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection

from ..lifecycle import Claim
from ..options import DEFAULT_PRIORITY, DEFAULT_QUEUE, JobOptions
from . import claim_statements, records
from .database import Database
from .offers import Basis, Head, Line, Offer, Pair, some_of_each
from .statements import Now

_LAST = (math.inf, math.inf, math.inf)
_MANY = 50
"""Pairs, of more of which it may be better to look at their heads first, and keep some then."""

Read = Callable[[Connection, Mapping[Pair, int]], dict[Pair, list[Head]]]


def take(
    connection: Connection,
    database: Database,
    now: Now,
    worker_id: str,
    pairs: Sequence[Pair],
    offers: Sequence[Offer],
    queues: Sequence[str],
    alone: bool,
) -> list[Claim]:
    """Take the best queued runs of the offered names; highest priority first.

    A run that may start only once is not taken ahead: its claim counts as its start. A suspect is
    taken by a worker that is ``alone`` (it holds nothing), and nothing beside it;
    what comes after one waits, so that it is never passed over.

    RETURNING and UPDATE know no order, so the order is the one in which heads were chosen.
    """
    known = {offer.job_name: offer for offer in offers}
    room = _room(connection, database, offers)
    pairs = [pair for pair in _routed(connection, pairs, known, queues) if room[pair[1]] > 0]
    chosen = _chosen(connection, database, pairs, room, known, alone)
    of_basis: dict[Basis, list[int]] = {}
    numbers = {name: of_basis.setdefault(offer.basis, []) for name, offer in known.items()}
    for head in chosen:
        numbers[head.job_name].append(head.seq)
    taken: dict[int, Sequence[Any]] = {}
    for basis, seqs in of_basis.items():
        if seqs:
            rows = database.take(connection, now, worker_id, basis, seqs)
            taken.update({row[0]: row for row in rows})
    return [
        records.claim_under(known[head.job_name], worker_id, *taken[head.seq][1:])
        for head in chosen
        if head.seq in taken
    ]


def alike(
    pairs: Sequence[Pair], offers: Sequence[Offer], queues: Sequence[str]
) -> dict[Pair, Offer]:
    """The pairs, with their offers, that can be claimed together as if they were one.

    Empty unless all are alike: on the same basis, for the same lane, and nothing but the order of
    what waits is to be heeded.
    """
    known = {offer.job_name: offer for offer in offers}
    found: dict[Pair, Offer] = {}
    for pair in pairs:
        offer = known.get(pair[1])
        if offer is not None:
            if not _is_plain(pair, offer.options):
                return {}
            if not queues or pair[0] in queues:
                found[pair] = offer
    if len(found) > 1 and not _go_together(found):
        return {}
    return found


def _go_together(found: dict[Pair, Offer]) -> bool:
    """May the runs of all these pairs be claimed as if they were of one?"""
    if len({(each.basis, each.lane) for each in found.values()}) > 1:
        return False
    # A job that waits in several queues must not have in each the room that it has in all.
    wanted, names = max(each.most for each in found.values()), Counter(name for _, name in found)
    return all(each.most == wanted or names[each.job_name] == 1 for each in found.values())


def _is_plain(pair: Pair, own: JobOptions) -> bool:
    """Is nothing to be changed of what waits there, nothing counted, and may all be held ahead?"""
    routed = pair[0] == DEFAULT_QUEUE and own.queue not in (None, DEFAULT_QUEUE)
    raised = own.priority not in (None, DEFAULT_PRIORITY)
    only_once = own.max_attempts == own.max_crashes == 1
    return not (routed or raised or own.concurrency or only_once)


def _chosen(
    connection: Connection,
    database: Database,
    pairs: Sequence[Pair],
    room: dict[str, int],
    known: dict[str, Offer],
    alone: bool,
) -> list[Head]:
    """What to take, in order, which nobody else takes before this transaction ends.

    Where there are so many pairs that their heads are kept from nobody while they are looked at,
    what others take meanwhile is left out, and what comes after it chosen in its place.
    """
    look = database.look if len(pairs) > _MANY else None
    heads = _heads(connection, look or database.heads, {pair: room[pair[1]] for pair in pairs})
    while True:
        chosen = _without_company(_within(heads, room, known), alone)
        if look is None or not chosen:
            return chosen
        kept = database.keep(connection, [head.seq for head in chosen])
        lost = {head.seq for head in chosen} - kept
        if not lost:
            return chosen
        heads = [head for head in heads if head.seq not in lost]


def _heads(connection: Connection, look: Read, room: dict[Pair, int]) -> list[Head]:
    """The first queued runs of all pairs together, in order, as many as there is room for, or more.

    Of many pairs first a few each: none is wanted whole. What comes after the last of a pair that
    may have more is not known to be next; where that leaves too few, more is read of such pairs.
    """
    found: dict[Pair, list[Head]] = {}
    wanted = max(room.values(), default=0)
    each = some_of_each(wanted, room.values())
    more = {pair: min(most, each) for pair, most in room.items()}
    read = dict(more)
    while True:
        found |= look(connection, more)
        open_ended = [
            pair for pair, heads in found.items() if read[pair] <= len(heads) < room[pair]
        ]
        ends = min((_order(found[pair][-1]) for pair in open_ended), default=_LAST)
        first = sorted(chain.from_iterable(found.values()), key=_order)
        known = first[: bisect_right(first, ends, key=_order)]
        if not open_ended or 2 * len(known) >= wanted:
            return known
        more = {pair: min(room[pair], 4 * read[pair]) for pair in open_ended}
        read |= more


def _order(head: Head) -> tuple[float, float, float]:
    return -head.priority, head.due_at, head.seq


def _routed(
    connection: Connection,
    pairs: Sequence[tuple[str, str]],
    known: dict[str, Offer],
    queues: Sequence[str],
) -> list[tuple[str, str]]:
    """Give runs that named no queue or priority their job's own; return the pairs to serve.

    Also where this worker does not serve the queue they wait in: a job's own queue may be
    served by nobody who looks into the default one.
    """
    reached = [pair for pair in pairs if pair[1] in known]
    elsewhere = [
        {"of_queue": queue, "name": name, "to_queue": known[name].options.queue}
        for queue, name in reached
        if queue == DEFAULT_QUEUE and known[name].options.queue not in (None, DEFAULT_QUEUE)
    ]
    if elsewhere and connection.execute(claim_statements.route_queue(), elsewhere).rowcount:
        own = [(str(each["to_queue"]), str(each["name"])) for each in elsewhere]
        paused = {each for each in {queue for queue, _ in own} if _is_paused(connection, each)}
        reached += [pair for pair in own if pair[0] not in paused]
    served = [pair for pair in dict.fromkeys(reached) if not queues or pair[0] in queues]
    raised = [
        {"of_queue": queue, "name": name, "to_priority": known[name].options.priority}
        for queue, name in served
        if known[name].options.priority not in (None, DEFAULT_PRIORITY)
    ]
    if raised:
        connection.execute(claim_statements.route_priority(), raised)
    return served


def _is_paused(connection: Connection, queue: str) -> bool:
    asked = {"kind": "queue", "name": queue}
    return connection.execute(claim_statements.pause_of(), asked).first() is not None


def _room(connection: Connection, database: Database, offers: Sequence[Offer]) -> dict[str, int]:
    """How many runs of each name may be taken: what the worker would, within the job's cap."""
    room = {offer.job_name: offer.most for offer in offers}
    caps = {o.job_name: o.options.concurrency for o in offers if o.options.concurrency}
    if caps:
        # What was counted must still be so when this claim is committed.
        database.hold(connection, [f"cap {name}" for name in caps])
        rows = connection.execute(claim_statements.running_counts(), {"names": list(caps)}).all()
        running = {row[0]: row[1] for row in rows}
        for name, cap in caps.items():
            room[name] = min(room[name], cap - running.get(name, 0))
    return room


def _without_company(chosen: list[Head], alone: bool) -> list[Head]:
    """What comes before the first suspect; that suspect itself where it comes first and may run."""
    for number, head in enumerate(chosen):
        if head.suspect:
            return chosen[: number or int(alone)]
    return chosen


def _within(heads: Sequence[Head], room: dict[str, int], known: dict[str, Offer]) -> list[Head]:
    """The first heads that leave every name within its room; of what cannot begin at once, in
    each lane those before the first that is not to wait.
    """
    left, chosen = dict(room), list[Head]()
    line = Line(known.values())
    for head in heads:
        name = head.job_name
        if left[name] > 0 and line.admit(name, may_wait=not known[name].at_most_once(head)):
            left[name] -= 1
            chosen.append(head)
    return chosen
