"""The verbs of the store that only read, one transaction each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from ..errors import Conflict, UnknownRun
from ..lifecycle import (
    Attempt,
    Claim,
    RunRecord,
    State,
)
from ..selection import Selection
from . import (
    activity,
    claim_statements,
    finding,
    known,
    reading_statements as sql,
    records,
    settle_statements,
    worker_statements,
)
from .activity import Activity
from .database import Database
from .inserting import read
from .records import Load, LogRow, Pause, WorkerRow, from_stored_time, micros
from .transacting import Transactions

_ALL = Selection()
_LATELY = 10_000
_LAST = (2**31 - 1, 2**31 - 1)


class Reading(Transactions):
    """What can be asked of a store, by the clock of its database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.now = database.now

    def refuse_known(self, run_id: str) -> None:
        """Raise Conflict where a run with this id exists."""
        with self._transaction(reading=True) as connection:
            self._refuse_known(connection, run_id)

    def _refuse_known(self, connection: Connection, run_id: str) -> None:
        if read(connection, [run_id]):
            raise Conflict(f"Run {run_id} exists. Give each new run an id of its own.")

    def holding(self, worker_id: str) -> list[Claim]:
        """What the store says that a worker holds: its claims, without parameters and limits."""
        with self._transaction(reading=True) as connection:
            found = connection.execute(settle_statements.holding(), {"of_worker": worker_id})
            return [
                Claim(
                    run_id=row.run_id, job_name=row.job_name, params="", attempt=row.attempt,
                    tries=row.tries, crashes=row.crashes, suspect=bool(row.suspect),
                )
                for row in found
            ]  # fmt: skip

    def pauses(self) -> list[Pause]:
        """The queues and jobs that are paused."""
        with self._transaction(reading=True) as connection:
            found = connection.execute(claim_statements.all_pauses())
            return [Pause(row.kind, row.name, from_stored_time(row.paused_at)) for row in found]

    def due(self) -> list[tuple[str, str]]:
        """Which (queue, job name) pairs have queued runs and are not paused."""
        if self.database.due_at_once is not None:
            return self._at_once(self.database.due_at_once, reading=True)
        with self._transaction(reading=True) as connection:
            return self.database.due(connection)

    def known_rows(self, name: str) -> known.Rows | None:
        """What is known of a job, for :class:`.known.Remembered`; None where that is no quicker."""
        ask = self.database.known_at_once
        return None if ask is None else self._at_once(ask, name, reading=True)

    def cancels_asked(self, worker_id: str) -> list[tuple[str, int]]:
        """The (run id, attempt) this worker holds that somebody wants cancelled."""
        with self._transaction(reading=True) as connection:
            found = connection.execute(settle_statements.cancels_asked(), {"of_worker": worker_id})
            return [(run_id, attempt) for run_id, attempt in found]

    def logs(
        self, run_id: str, after: tuple[int, int] = (0, 0), *, attempt: int | None = None,
        most: int = 10,
    ) -> list[LogRow]:  # fmt: skip
        """Rows of a run's log, of all attempts or one, after row (attempt, number)."""
        if attempt is not None:
            after = (attempt, after[1] if after[0] == attempt else 0)
        asked = {"of_run": run_id, "attempt": after[0], "number": after[1], "most": most}
        with self._transaction(reading=True) as connection:
            found = connection.execute(sql.logs_of_run(attempt is not None), asked)
            return [records.log_row_of(row) for row in found.mappings()]

    def logs_before(
        self, run_id: str, place: tuple[int, int] | None = None, most: int = 10
    ) -> list[LogRow]:
        """The last rows of a run's log up to row (attempt, number), or all; the oldest first."""
        attempt, number = place or _LAST
        asked = {"of_run": run_id, "attempt": attempt, "number": number, "most": most}
        with self._transaction(reading=True) as connection:
            found = connection.execute(sql.logs_before(), asked).mappings()
            return [records.log_row_of(row) for row in found][::-1]

    def logs_of_several(
        self, places: Mapping[str, tuple[int, int]], most: int = 100
    ) -> list[LogRow]:
        """Rows of the logs of several runs, each after its own row (attempt, number)."""
        if not places:
            return []
        # Few statements for any number of runs: what is over asks for the last one once more.
        number = 1 << (len(places) - 1).bit_length()
        filled = [*places.items(), *[list(places.items())[-1]] * (number - len(places))]
        asked: dict[str, object] = {"most": most}
        for each, (run_id, (attempt, row)) in enumerate(filled):
            asked |= {f"run_{each}": run_id, f"attempt_{each}": attempt, f"number_{each}": row}
        with self._transaction(reading=True) as connection:
            found = connection.execute(sql.logs_of_several(number), asked)
            return [records.log_row_of(row) for row in found.mappings()]

    def workers(self) -> list[WorkerRow]:
        """All worker rows, live and dead."""
        with self._transaction(reading=True) as connection:
            rows = connection.execute(worker_statements.all_workers(self.now)).mappings()
            return [records.worker_of(row) for row in rows]

    def get(self, run_id: str) -> RunRecord:
        """Read one run.

        Raises:
            UnknownRun: the store holds no run with this id.
        """
        with self._transaction(reading=True) as connection:
            found = read(connection, [run_id])
        if run_id not in found:
            raise UnknownRun(f"No run {run_id} in the store {self.url}. See: jobreg runs list")
        return found[run_id]

    def several(self, run_ids: Sequence[str]) -> dict[str, RunRecord]:
        """The runs of these ids that there are, by id."""
        with self._transaction(reading=True) as connection:
            return read(connection, run_ids)

    def find(
        self, wanted: Selection = _ALL, *, cursor: str | None = None, most: int = 100
    ) -> tuple[list[RunRecord], str | None]:
        """A page of runs, newest first, and the cursor of the next page (None: there is none).

        Where tags or parameters are asked for a page may be a short one and still have a next.

        Raises:
            BadInput: the cursor is not one that a page of this selection gave.
        """
        place = finding.place_of(cursor, wanted)
        with self._transaction(reading=True) as connection:
            found, following = finding.page(connection, wanted, place, most)
        return found, None if following is None else str(following)

    def time(self) -> datetime:
        """What the database's clock says, in UTC."""
        with self._transaction(reading=True) as connection:
            told = from_stored_time(connection.execute(sql.clock(self.now)).scalar())
        assert told is not None
        return told

    def ids_between(self, first: str, last: str, most: int = 20) -> list[str]:
        """Run ids from ``first`` to ``last``, in order; an index look-up, whatever the history."""
        asked = {"first": first, "last": last, "most": most}
        with self._transaction(reading=True) as connection:
            return list(connection.execute(sql.ids_between(), asked).scalars())

    def attempts(self, run_id: str) -> list[Attempt]:
        """The attempts of a run, oldest first."""
        with self._transaction(reading=True) as connection:
            rows = connection.execute(sql.attempts_of_run(), {"of_run": run_id}).mappings()
            return [records.attempt_of(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many runs are in each state."""
        with self._transaction(reading=True) as connection:
            found = {row[0]: row[1] for row in connection.execute(sql.count_runs())}
        return {state.value: found.get(state.value, 0) for state in State}

    def waiting(self) -> list[tuple[str, str, int]]:
        """(queue, job name, number) of the runs that are due and not running."""
        with self._transaction(reading=True) as connection:
            found = connection.execute(sql.waiting_now(self.now))
            return [(queue, name, int(number)) for queue, name, number in found]

    def load(self, window: float) -> Load:
        """How much waits and runs, and what was settled in the last ``window`` seconds."""
        lately = {"window": micros(window), "most": _LATELY}
        with self._transaction(reading=True) as connection:
            depths = connection.execute(sql.depths(self.now)).mappings().all()
            settled = connection.execute(sql.settled_lately(self.now), lately).mappings()
            return records.load_of(depths, settled.all(), window, _LATELY)

    def activity(self, window: float, slices: int) -> Activity:
        """What was settled in the last ``window`` seconds, in so many slices of time."""
        with self._transaction(reading=True) as connection:
            return activity.read(connection, self.now, window, slices)

    def busy(self) -> dict[str, int]:
        """How many runs each worker that has any holds, by worker id."""
        with self._transaction(reading=True) as connection:
            found = connection.execute(sql.busy_slots())
            return {row[0]: row[1] for row in found}

    def ahead_of(self, run_id: str) -> int:
        """How many queued runs of its queue come before a queued run."""
        with self._transaction(reading=True) as connection:
            return int(connection.execute(sql.ahead_of(), {"of_run": run_id}).scalar_one())
