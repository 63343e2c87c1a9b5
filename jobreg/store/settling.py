"""The one place that writes what became of runs: history, then final or waiting again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve
from sqlalchemy import Connection

from ..lifecycle import Ending, Outcome, Reason, State, decide_lost
from . import records, settle_statements
from .inserting import REPLACED
from .packets import packets
from .records import Row, micros
from .statements import Now


def settle(
    connection: Connection, now: Now, worker_id: str, host: str, outcomes: Sequence[Outcome]
) -> list[Outcome]:
    """Write decided outcomes of a worker's runs under their fence; those that were refused."""
    if not outcomes:
        return []
    run_ids = [each.run_id for each in outcomes]
    rows = held(connection, now, worker_id, run_ids)
    ours = {(row["run_id"], row["attempt"]): row for row in rows}
    mine = [each for each in outcomes if (each.run_id, each.attempt) in ours]
    write(connection, now, host, [(ours[each.run_id, each.attempt], each) for each in mine])
    rest = [each for each in outcomes if (each.run_id, each.attempt) not in ours]
    return _without_recorded(connection, worker_id, rest) if rest else []


def all_held(
    connection: Connection, now: Now, worker_id: str, leaving: bool
) -> tuple[int, Sequence[Row]]:
    """How many runs a worker has that can claim no more; their live rows, locked.

    Where those that somebody else locks are to be left, they are not among the rows.
    """
    found = connection.execute(settle_statements.holding(), {"of_worker": worker_id})
    run_ids = [row.run_id for row in found]
    number = len(run_ids)
    if leaving and run_ids:
        asked = {"run_ids": run_ids}
        run_ids = list(connection.execute(settle_statements.not_locked_of(), asked).scalars())
    return number, held(connection, now, worker_id, run_ids) if run_ids else []


def held(connection: Connection, now: Now, worker_id: str, run_ids: Sequence[str]) -> Sequence[Row]:
    """The live rows of these runs that a worker runs, locked."""
    asked = {"of_worker": worker_id, "run_ids": run_ids}
    return connection.execute(settle_statements.held(now), asked).mappings().all()


def _without_recorded(
    connection: Connection, worker_id: str, outcomes: Sequence[Outcome]
) -> list[Outcome]:
    """Of outcomes whose runs this worker does not hold, those that were not written before."""
    asked = {"run_ids": [each.run_id for each in outcomes], "of_worker": worker_id}
    # A rescue records our attempts too, but never with the outcome of a job.
    written = {tuple(row) for row in connection.execute(settle_statements.recorded(), asked)}
    return [
        each
        for each in outcomes
        if (each.run_id, each.attempt, each.ending.value) not in written
        # A release wants no more than that the run is no longer ours.
        and not unbegun(each)
    ]


def write(
    connection: Connection, now: Now, host: str, outcomes: Sequence[tuple[Row, Outcome]]
) -> None:
    """Write decided outcomes of live rows read in this transaction: history, then what follows."""
    attempts, finals, fences, waiting = [], [], [], []
    for row, outcome in outcomes:
        if row["cancel_requested"] and outcome.state in (State.QUEUED, State.SCHEDULED):
            outcome = evolve(outcome, state=State.CANCELLED, reason=Reason.ASKED)
        if outcome.reason is Reason.ASKED and row["cancel_requested"] == REPLACED:
            outcome = evolve(outcome, reason=Reason.REPLACED)
        assert outcome.state is not None
        columns = records.outcome_columns(row, outcome, host)
        if not unbegun(outcome):
            attempts.append(columns)
        fence = {
            "of_run": row["run_id"],
            "of_attempt": row["attempt"],
            "of_worker": row["worker_id"],
        }
        if outcome.state.final:
            fences.append(fence)
            finals.append(fence | _final_columns(row, outcome, columns))
        else:
            waiting.append(fence | _waiting_columns(outcome))
    for statement, rows in (
        (settle_statements.insert_attempts(), attempts),
        (settle_statements.finish_live(), fences),
        (settle_statements.finish_runs(), finals),
        (settle_statements.put_back(now), waiting),
    ):
        for some in packets(rows):
            connection.execute(statement, some)


def lost(row: Row, alone: bool) -> Outcome:
    """What follows for a live row whose worker is dead."""
    return decide_lost(
        run_id=row["run_id"],
        attempt=row["attempt"],
        tries=row["tries"],
        crashes=row["crashes"],
        try_limit=row["try_limit"],
        crash_limit=row["crash_limit"],
        alone=alone,
    )


def _final_columns(row: Row, outcome: Outcome, columns: dict[str, Any]) -> dict[str, Any]:
    shared = (
        "error_type", "error_message", "error_traceback", "attempt", "started_at", "finished_at",
        "dist", "version", "worker_id",
    )  # fmt: skip
    assert outcome.state is not None
    return {f"to_{name}": columns[name] for name in shared} | {
        "to_state": outcome.state.value,
        "to_reason": outcome.reason and outcome.reason.value,
        "to_result": outcome.result,
        "to_tries": outcome.tries,
        "to_crashes": outcome.crashes,
        "to_progress": records.progress_text(outcome.progress) or row["progress"],
        "to_queue": row["queue"],
        "to_priority": row["priority"],
    }


def _waiting_columns(outcome: Outcome) -> dict[str, Any]:
    assert outcome.state is not None
    return {
        "to_state": outcome.state.value,
        "delay": micros(outcome.delay),
        "to_tries": outcome.tries,
        "to_crashes": outcome.crashes,
        "to_suspect": 1 if outcome.suspect else None,
    }


def unbegun(outcome: Outcome) -> bool:
    """A claim given back before its code was entered; it leaves no attempt."""
    return outcome.ending is Ending.RELEASED and outcome.started is None
