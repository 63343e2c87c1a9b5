"""Which queued runs a claim takes: heads by name, merged by priority, within every limit."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from sqlalchemy import Connection

from ..lifecycle import Claim, Provider
from ..options import DEFAULT_PRIORITY, DEFAULT_QUEUE, JobOptions
from . import claim_statements, records
from .database import Database
from .records import Row
from .statements import Now


@frozen
class Offer:
    """A job this worker is ready to run, as installed here, and how many runs it would take.

    ``ahead`` of them would wait until others have ended.
    """

    job_name: str
    target: str
    provider: Provider
    options: JobOptions
    most: int = 1
    ahead: int = 0

    def at_most_once(self, row: Row) -> bool:
        """May this run be started once and never again? Its submitter stands before its job."""
        tries = row["max_attempts"] or self.options.max_attempts
        crashes = row["max_crashes"] or self.options.max_crashes
        return bool(tries == crashes == 1)


def take(
    connection: Connection,
    database: Database,
    now: Now,
    worker_id: str,
    pairs: Sequence[tuple[str, str]],
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
    heads: list[Row] = []
    for queue, name in _routed(connection, pairs, known, queues):
        if room[name] > 0:
            head = {"queue": queue, "name": name, "most": room[name]}
            heads += connection.execute(claim_statements.heads(), head).mappings().all()
    heads.sort(key=lambda row: (-row["priority"], row["due_at"], row["seq"]))
    chosen = _without_company(_within(heads, room, known), alone)
    by_name: dict[str, list[int]] = {}
    for row in chosen:
        by_name.setdefault(row["job_name"], []).append(row["seq"])
    for name, seqs in by_name.items():
        _mark(connection, now, worker_id, known[name], seqs)
    return read_claims(connection, now, worker_id, [row["seq"] for row in chosen])


def _mark(
    connection: Connection, now: Now, worker_id: str, offer: Offer, seqs: Sequence[int]
) -> None:
    asked = {
        "seqs": seqs,
        "of_worker": worker_id,
        "of_dist": offer.provider.dist,
        "of_version": offer.provider.version,
        "tries_allowed": offer.options.max_attempts,
        "crashes_allowed": offer.options.max_crashes,
    }
    connection.execute(claim_statements.take(now), asked)


def read_claims(
    connection: Connection, now: Now, worker_id: str, seqs: Sequence[int]
) -> list[Claim]:
    """Read what a worker needs of the live rows it just took, in this order."""
    if not seqs:
        return []
    asked = {"seqs": seqs, "of_worker": worker_id}
    rows = connection.execute(claim_statements.claimed(now), asked).mappings()
    claims = {row["seq"]: records.claim_of(row) for row in rows}
    return [claims[seq] for seq in seqs if seq in claims]


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
    reached = []
    for queue, name in pairs:
        if name not in known:
            continue
        own = known[name].options
        reached.append((queue, name))
        target = {"of_queue": queue, "name": name}
        if queue == DEFAULT_QUEUE and own.queue not in (None, DEFAULT_QUEUE):
            to_queue = {**target, "to_queue": own.queue}
            moved = connection.execute(claim_statements.route_queue(), to_queue).rowcount
            if moved and not _is_paused(connection, str(own.queue)):
                reached.append((str(own.queue), name))
    served = [pair for pair in dict.fromkeys(reached) if not queues or pair[0] in queues]
    for queue, name in served:
        own = known[name].options
        if own.priority not in (None, DEFAULT_PRIORITY):
            to_priority = {"of_queue": queue, "name": name, "to_priority": own.priority}
            connection.execute(claim_statements.route_priority(), to_priority)
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


def _without_company(chosen: list[Row], alone: bool) -> list[Row]:
    """What comes before the first suspect; that suspect itself where it comes first and may run."""
    for number, row in enumerate(chosen):
        if row["suspect"]:
            return chosen[: number or int(alone)]
    return chosen


def _within(heads: Sequence[Row], room: dict[str, int], known: dict[str, Offer]) -> list[Row]:
    """The first heads that leave every name within its room; what cannot begin at once, at most
    up to the first that is not to wait.
    """
    left, chosen = dict(room), list[Row]()
    most = max((offer.most for offer in known.values()), default=0)
    at_once = max((offer.most - offer.ahead for offer in known.values()), default=0)
    for row in heads:
        if len(chosen) >= at_once and known[row["job_name"]].at_most_once(row):
            break
        if left[row["job_name"]] > 0:
            left[row["job_name"]] -= 1
            chosen.append(row)
        if len(chosen) == most:
            break
    return chosen
