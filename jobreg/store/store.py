"""The verbs of the store, one transaction each. The row is the queue: there is no second truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import evolve
from sqlalchemy import Connection

from ..errors import Conflict
from ..lifecycle import (
    Claim,
    Outcome,
    Progress,
    Reason,
    RunRecord,
    State,
)
from . import (
    claim_statements,
    claiming,
    new_runs,
    reading_statements,
    records,
    settle_statements,
    settling,
    statements,
    worker_statements,
)
from .catalogue import StoredCatalogue
from .database import Database, Watch
from .importing import Importing
from .inserting import Inserting, cancel_waiting
from .lending import Lent
from .offers import Offer, Pair
from .pruning import Pruning
from .records import LogRow, WorkerRow, micros
from .renaming import Renaming
from .submitting import Submitting
from .tokens import Tokens
from .transacting import again

_IN_STEPS = 16
"""At most so many claims of several pairs are made in steps after one that could not be made at
once: one after the first, and twice as many after each that follows.
"""

_AGAIN = 1.0
"""Seconds after which what was due, and locked, is looked at again."""


class Store(Submitting):
    """One database of runs. Safe to share between threads; made anew in a forked child."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.watch: Callable[..., Watch] = database.watch
        self.catalogue = StoredCatalogue(self)
        self.history = Pruning(self)
        self.names = Renaming(self)
        self.imports = Importing(self)
        self.tokens = Tokens(self)
        self._in_steps = self._in_vain = 0

    def take_time_from(self, read: Callable[[], int]) -> None:
        """Let ``read`` (microseconds UTC) stand in for the database's clock; for tests."""
        self.now = statements.given_now(read)

    # claim

    @again
    def insert_claimed(self, run: RunRecord, worker_id: str, offer: Offer) -> Claim | None:
        """Store a new run as already claimed by a worker, attempt 1; None when that is fenced.

        Raises:
            Conflict: a run with this id exists, or an unfinished one has its unique key.
        """
        options = offer.options
        run = evolve(
            run,
            queue=run.queue if run.queue is not None else options.queue,
            priority=run.priority if run.priority is not None else options.priority,
        )
        claimed = {
            "state": State.RUNNING.value,
            "attempt": 1,
            "worker_id": worker_id,
            "try_limit": run.max_attempts or options.max_attempts,
            "crash_limit": run.max_crashes or options.max_crashes,
            "dist": offer.provider.dist,
            "version": offer.provider.version,
        }
        with self._transaction() as connection:
            if not _is_live(connection, worker_id):
                return None
            self._refuse_known(connection, run.run_id)
            Inserting(connection, self.database, self.now).make_room(run)
            clock = connection.execute(reading_statements.clock(self.now)).scalar_one()
            asked, waits = new_runs.new_columns(run, clock)
            connection.execute(statements.insert_runs(), asked)
            live = {**waits, **claimed, "started_at": clock}
            connection.execute(statements.insert_live(True), live)
            return self._claimed_one(connection, run.run_id, worker_id, offer)

    @again
    def claim(
        self,
        worker_id: str,
        pairs: Sequence[tuple[str, str]],
        offers: Sequence[Offer],
        queues: Sequence[str] = (),
        *,
        alone: bool = True,
        told: bool = False,
        by: Lent | None = None,
    ) -> list[Claim] | None:
        """Take queued runs of the offered names from these (queue, name) pairs.

        Only the given queues are served; with none given, all are. Names are looked up, never
        excluded: what a worker cannot run costs it nothing. Returns the claims, highest priority
        first, or None when this worker is fenced. A suspect comes by itself, and only to a worker
        that is ``alone``: it holds no other run. Where one was only ``told`` of the pairs, or
        expects something there, nothing is taken but what one statement can take that sees itself
        whether they are paused; it may be asked ``by`` a connection of the caller's own.
        """
        alike = claiming.alike(pairs, offers, queues)
        if claims := self._claim_at_once(worker_id, alike, alone=alone, told=told, by=by):
            return claims
        if told:
            return []
        with self._transaction() as connection:
            if _is_live(connection, worker_id):
                return claiming.take(
                    connection, self.database, self.now, worker_id, pairs, offers, queues, alone
                )
        return None

    def _claim_at_once(
        self,
        worker_id: str,
        alike: dict[Pair, Offer],
        *,
        alone: bool,
        told: bool,
        by: Lent | None,
    ) -> list[Claim]:
        """Take what one statement can take."""
        if len(alike) == 1:
            claim = self.database.claim_told if told else self.database.claim_at_once
            [((queue, _), offer)] = alike.items()
            if claim is not None:
                return self._at_once(claim, self.now, worker_id, queue, offer, alone, by=by)
        elif alike and not told and (of_many := self.database.claim_pairs_at_once) is not None:
            if self._in_steps:
                self._in_steps -= 1
                return []
            claims = self._at_once(of_many, self.now, worker_id, alike)
            self._in_vain = 0 if claims else min(_IN_STEPS, max(1, 2 * self._in_vain))
            self._in_steps = self._in_vain
            return claims
        return []

    @again
    def claim_one(self, run_id: str, worker_id: str, offer: Offer) -> Claim | None:
        """Take this run alone, due or not; None when somebody else has it or it is final."""
        asked = {"of_run": run_id, **claim_statements.claiming(worker_id, offer.basis)}
        with self._transaction() as connection:
            if not _is_live(connection, worker_id):
                return None
            if not connection.execute(claim_statements.take_one(self.now), asked).rowcount:
                return None
            return self._claimed_one(connection, run_id, worker_id, offer)

    def _claimed_one(
        self, connection: Connection, run_id: str, worker_id: str, offer: Offer
    ) -> Claim:
        asked = {"of_run": run_id, "of_worker": worker_id}
        _, *row = connection.execute(claim_statements.claimed_one(self.now), asked).one()
        return records.claim_under(offer, worker_id, *row)

    # settle

    @again
    def settle(self, worker_id: str, host: str, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Write decided outcomes under their fence; return those that were refused.

        An outcome is refused when its run is no longer this worker's at this attempt. One that
        was already written (the answer to its commit was lost) counts as written. Where all
        succeeded, those that were not found as they should be are seen to in a second transaction.
        """
        finish = self.database.finish_at_once
        succeeded = [each for each in outcomes if each.state is State.SUCCEEDED]
        if finish is not None and len(succeeded) == len(outcomes):
            outcomes = succeeded = self._at_once(finish, self.now, worker_id, host, outcomes)
        if not outcomes:
            return []
        with self._transaction() as connection:
            rest = self.database.finish(connection, self.now, worker_id, host, succeeded)
            if len(succeeded) < len(outcomes):
                rest += [each for each in outcomes if each.state is not State.SUCCEEDED]
            if any(each.state in (State.QUEUED, State.SCHEDULED) for each in rest):
                self.database.tell(connection)
            return settling.settle(connection, self.now, worker_id, host, rest)

    def locked(self, run_ids: Sequence[str]) -> set[str]:
        """Which of these runs cannot be written now, because somebody else locks their rows."""
        asked = {"run_ids": run_ids}
        with self._transaction() as connection:
            there = connection.execute(settle_statements.live_of(), asked).scalars()
            return set(there) - {
                *connection.execute(settle_statements.not_locked_of(), asked).scalars()
            }

    @again
    def note_progress(self, worker_id: str, notes: Sequence[tuple[str, int, Progress]]) -> None:
        """Write how far running attempts (run id, attempt, progress) have come."""
        rows = [
            {
                "of_run": run_id,
                "of_attempt": attempt,
                "of_worker": worker_id,
                "to_progress": records.progress_text(progress),
            }
            for run_id, attempt, progress in notes
        ]
        if rows:
            with self._transaction() as connection:
                connection.execute(settle_statements.note_progress(), rows)

    # logs

    @again
    def write_logs(self, worker_id: str, rows: Sequence[LogRow]) -> None:
        """Keep rows of the logs of attempts that still are this worker's; of others, nothing."""
        columns = [records.log_columns(row, worker_id) for row in rows]
        if columns:
            with self._transaction() as connection:
                connection.execute(settle_statements.insert_logs(self.now), columns)

    # upkeep

    @again
    def stage_due(self) -> float | None:
        """Queue the scheduled runs that are due; return the seconds until the next one.

        One that somebody else locks is left for the next time, and holds up no other.
        """
        wait = self.next_due()
        if wait == 0.0:
            with self._transaction() as connection:
                self.database.stage(connection, self.now)
                wait = self._next_due(connection)
            if wait == 0.0 and self.database.locks_rows:
                wait = _AGAIN
        return wait

    def next_due(self) -> float | None:
        """Seconds until the next scheduled run is due, 0 where one is; None where there is none."""
        with self._transaction(reading=True) as connection:
            return self._next_due(connection)

    def _next_due(self, connection: Connection) -> float | None:
        wait = connection.execute(claim_statements.next_due(self.now)).scalar()
        return None if wait is None else max(0.0, wait / 1_000_000)

    # pauses

    @again
    def pause(self, kind: str, name: str) -> bool:
        """Let nobody claim queued runs of a ``queue`` or ``job``; False where it is so already."""
        asked = {"kind": kind, "name": name}
        with self._transaction() as connection:
            self.database.hold(connection, [f"pause {kind} {name}"])
            if connection.execute(claim_statements.pause_of(), asked).first() is not None:
                return False
            connection.execute(claim_statements.add_pause(self.now), asked)
        return True

    @again
    def resume(self, kind: str, name: str) -> bool:
        """Let runs of a paused ``queue`` or ``job`` be claimed again; False where it was not."""
        asked = {"of_kind": kind, "of_name": name}
        with self._transaction() as connection:
            resumed = connection.execute(claim_statements.drop_pause(), asked).rowcount == 1
            if resumed:
                self.database.tell(connection)
            return resumed

    # workers

    @again
    def register(self, worker: dict[str, Any]) -> None:
        """Add a worker: a mapping of the columns that ``insert_worker`` binds, lease in seconds."""
        row = worker | {"lease_us": micros(worker["lease"])}
        with self._transaction() as connection:
            connection.execute(worker_statements.insert_worker(self.now), row)

    @again
    def beat(self, worker_id: str, lease: float, names: str, condition: str | None = None) -> bool:
        """Renew a worker's lease and say how it is; False when it was declared dead."""
        asked = {
            "of_worker": worker_id,
            "lease_us": micros(lease),
            "to_names": names,
            "to_condition": condition,
        }
        with self._transaction() as connection:
            return connection.execute(worker_statements.renew(self.now), asked).rowcount == 1

    @again
    def ask_worker(self, worker_id: str, what: str) -> bool:
        """Ask a live worker for something (``drain``); False where there is none with this id."""
        asked = {"of_worker": worker_id, "to_asked": what}
        with self._transaction() as connection:
            return connection.execute(worker_statements.ask_worker(), asked).rowcount == 1

    @again
    def rescue(self, worker: WorkerRow, *, leaving: bool = False) -> int | None:
        """Declare a worker dead and take back its runs; None when it beat meanwhile.

        The only run of a worker is charged with a crash; of several, none is, because nobody can
        tell which of them was to blame. With ``leaving``, runs that somebody locks are left for the
        next time, and the worker's row with them.
        """
        asked = {"of_worker": worker.worker_id, "seen_beat": worker.beat}
        with self._transaction() as connection:
            if (
                worker.state == "live"
                and not connection.execute(worker_statements.fence_worker(), asked).rowcount
            ):
                return None
            number, rows = settling.all_held(connection, self.now, worker.worker_id, leaving)
            # Of one that was left behind nobody can tell any more whether it was.
            alone = number == 1 and worker.state == "live"
            lost = [(row, settling.lost(row, alone)) for row in rows]
            settling.write(connection, self.now, worker.host, lost)
            connection.execute(worker_statements.forget_worker(), asked)
            if rows:
                self.database.tell(connection)
            return len(rows)

    @again
    def forget(self, worker_id: str) -> None:
        """Delete a worker's row, unless a run still names it."""
        asked = {"of_worker": worker_id}
        with self._transaction() as connection:
            connection.execute(worker_statements.lock_worker(), asked)
            connection.execute(worker_statements.forget_worker(), asked)

    # cancel, retry

    @again
    def cancel(self, run_id: str) -> RunRecord:
        """Cancel a run that waits, or ask its worker to; a final run stays as it is.

        Raises:
            UnknownRun: the store holds no run with this id.
        """
        asked = {"of_run": run_id}
        with self._transaction() as connection:
            row = connection.execute(statements.live_row(), asked).mappings().first()
            if row is not None and row["state"] == State.RUNNING:
                connection.execute(statements.ask_cancel(), {**asked, "how": 1})
            elif row is not None:
                cancel_waiting(connection, self.now, row, Reason.ASKED)
        return self.get(run_id)

    @again
    def reopen(self, run: RunRecord) -> bool:
        """Queue a failed or cancelled run again, if it is still the one that was seen.

        Raises:
            Conflict: its unique key belongs to another unfinished run by now.
        """
        asked = {"of_run": run.run_id, "of_attempt": run.attempt}
        with self._transaction() as connection:
            if run.unique_key is not None:
                held = {"unique_keys": [run.unique_key]}
                for row in connection.execute(statements.holders(), held):
                    if row.job_name == run.job_name and row.run_id != run.run_id:
                        raise Conflict(
                            f"Run {row.run_id} has the unique key of run {run.run_id} and is not "
                            "over. Wait for it, or cancel it, first."
                        )
            if not connection.execute(statements.reopen_run(self.now), asked).rowcount:
                return False
            connection.execute(statements.requeue_run(self.now), asked)
            self.database.tell(connection)
        return True


def _is_live(connection: Connection, worker_id: str) -> bool:
    """Is it, and will it be until this transaction ends?"""
    asked = {"of_worker": worker_id}
    return connection.execute(worker_statements.worker_is_live(), asked).first() is not None
