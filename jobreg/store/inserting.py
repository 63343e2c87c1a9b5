"""New runs enter the store: all or none, each id once, one unfinished run of each unique key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen
from sqlalchemy import Connection

from .. import codec
from ..errors import Conflict
from ..lifecycle import Reason, RunRecord, State
from ..request import told_key
from . import reading_statements, records, statements
from .database import Database
from .packets import slices
from .records import Row
from .statements import Now

REPLACED = 2
"""What ``cancel_requested`` is where another run took the place of one; 1 is for asking."""


@frozen
class Inserting:
    """One transaction's inserts."""

    connection: Connection
    database: Database
    now: Now
    known: dict[str, RunRecord] = field(factory=dict)

    def insert(self, runs: Sequence[RunRecord]) -> list[RunRecord]:
        """Store these runs and return each as it stands; of a key that is held, its holder.

        Raises:
            Conflict: an id is there with another job or params, or a key is held and its run is
                to be rejected.
        """
        self._read([run.run_id for run in runs])
        holders = self._holders(runs)
        fresh: dict[str, RunRecord] = {}
        ids = []
        for run in runs:
            earlier = self.known.get(run.run_id) or fresh.get(run.run_id)
            if earlier is not None:
                _check_same(earlier, run)
            elif run.unique_key is None:
                fresh[run.run_id] = run
            else:
                earlier = self._yield_to(run, holders, fresh)
            ids.append(run.run_id if earlier is None else earlier.run_id)
        self._write(list(fresh.values()))
        return [self.known[run_id] for run_id in ids]

    def make_room(self, run: RunRecord) -> None:
        """Let a run that is to be stored alone have its key, if its policy is to replace.

        Raises:
            Conflict: the key is held, and it is not.
        """
        if run.unique_key is not None:
            policy = "replace" if run.unique_policy == "replace" else "reject"
            self._yield_to(evolve(run, unique_policy=policy), self._holders([run]), {})

    def _yield_to(
        self, run: RunRecord, holders: dict[tuple[str, str], str], fresh: dict[str, RunRecord]
    ) -> RunRecord | None:
        """The run that holds the key and stands in place of this one; None: this one is stored."""
        assert run.unique_key is not None
        key = run.job_name, run.unique_key
        holder = holders.get(key)
        if holder is not None and run.unique_policy == "return":
            return fresh.get(holder) or self.known[holder]
        if holder in fresh:
            raise Conflict(
                f"Two of these runs of {run.job_name!r} have the unique key "
                f"{told_key(run.unique_key)}, {holder} and {run.run_id}. Submit the one that "
                "counts."
            )
        if holder is not None and run.unique_policy == "reject":
            raise Conflict(
                f"Run {holder} of {run.job_name!r} has the unique key {told_key(run.unique_key)} "
                "and is not over. Wait for it, cancel it, or submit with unique_policy='replace'."
            )
        if holder is not None:
            self._replace(holder)
        holders[key] = run.run_id
        fresh[run.run_id] = run
        return None

    def _holders(self, runs: Sequence[RunRecord]) -> dict[tuple[str, str], str]:
        """Which unfinished run has which (job name, unique key), of those that are wanted."""
        keys = sorted({run.unique_key for run in runs if run.unique_key is not None})
        found: dict[tuple[str, str], str] = {}
        for some in slices(keys):
            asked = {"unique_keys": some}
            for row in self.connection.execute(statements.holders(), asked):
                found[row.job_name, row.unique_key] = row.run_id
        wanted = {(run.job_name, run.unique_key) for run in runs}
        found = {key: run_id for key, run_id in found.items() if key in wanted}
        self._read(list(found.values()))
        return found

    def _replace(self, run_id: str) -> None:
        """Let go of a run's key: it is cancelled, or asked to end where it runs."""
        asked = {"of_run": run_id}
        row = self.connection.execute(statements.live_row(), asked).mappings().first()
        if row is None:
            return
        if row["state"] == State.RUNNING:
            self.connection.execute(statements.ask_cancel(), {**asked, "how": REPLACED})
            self.connection.execute(statements.free_key(), asked)
        else:
            cancel_waiting(self.connection, self.now, row, Reason.REPLACED)

    def _write(self, runs: Sequence[RunRecord]) -> None:
        if runs:
            for run in self.database.insert(self.connection, self.now, runs):
                self.known[run.run_id] = run

    def _read(self, run_ids: Sequence[str]) -> None:
        self.known.update(read(self.connection, run_ids))


def read(connection: Connection, run_ids: Sequence[str]) -> dict[str, RunRecord]:
    """The runs of these ids that are there."""
    found = {}
    for some in slices(run_ids):
        asked = {"run_ids": some}
        for row in connection.execute(reading_statements.runs_by_id(), asked).mappings():
            found[row["run_id"]] = records.run_of(row)
    return found


def cancel_waiting(connection: Connection, now: Now, row: Row, reason: Reason) -> None:
    """Cancel a run by its live row, if it still waits as it did."""
    seen = {"of_run": row["run_id"], "of_attempt": row["attempt"]}
    if connection.execute(statements.drop_waiting(), seen).rowcount:
        shown = ("tries", "crashes", "queue", "priority", "progress", "dist", "version")
        kept: Mapping[str, Any] = {f"to_{name}": row[name] for name in shown}
        connection.execute(
            statements.cancel_waiting(now), {**seen, **kept, "to_reason": reason.value}
        )


def _check_same(one: RunRecord, other: RunRecord) -> None:
    """Do two requests with one id ask for the same? The order of parameters says nothing."""
    same = one.job_name == other.job_name and (
        one.params == other.params
        or codec.same(codec.decode(one.params), codec.decode(other.params))
    )
    if not same:
        raise Conflict(
            f"Run {other.run_id} exists with another job or other params. "
            "Give each new run an id of its own."
        )
