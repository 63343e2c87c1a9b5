"""What the tests of the verbs share: short ways to ask, claim and settle."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

from attrs import evolve
from sqlalchemy import literal_column

from jobreg.lifecycle import Claim, Ending, ErrorReport, Outcome, Provider, RunRecord, decide
from jobreg.options import JobOptions
from jobreg.request import new_run_id
from jobreg.store import Offer, Store, WorkerRow

START = 1_800_000_000_000_000  # microseconds since 1970, in the year 2027
PROVIDER = Provider("acme-reports", "1.0")
JOB = "reports.render"
HOST = "far-away"

_numbers = itertools.count(1)


def die_at(store: Store, step: int) -> Callable[[], None]:
    """Kill this process at that step: before and after each statement, and at each commit.

    The function that is given back is a step too: the last one.
    """
    passed, dialect = 0, store.engine.dialect

    def pass_by() -> None:
        nonlocal passed
        passed += 1
        if passed == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrapped(do: Callable[..., Any], after: Callable[[], None]) -> Callable[..., Any]:
        def doing(*arguments: Any) -> None:
            pass_by()
            do(*arguments)
            after()

        return doing

    for name in ("do_execute", "do_execute_no_params", "do_executemany"):
        setattr(dialect, name, wrapped(getattr(dialect, name), pass_by))
    dialect.do_commit = wrapped(dialect.do_commit, lambda: None)  # type: ignore[method-assign]
    return pass_by


class Clock:
    """The database's clock, in the hands of the test: seconds since START."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.set(0)

    def set(self, seconds: float) -> None:
        """Let it be this late, in statements to come."""
        self._store.now = literal_column(str(START + round(seconds * 1_000_000)))


def asked(job_name: str = JOB, **said: Any) -> RunRecord:
    """A run as a client asks for it."""
    return RunRecord(run_id=new_run_id(), job_name=job_name, **said)


def add(store: Store, job_name: str = JOB, **said: Any) -> RunRecord:
    """Insert one run."""
    return store.insert([asked(job_name, **said)])[0]


def add_worker(
    store: Store, *, names: Sequence[str] = (JOB,), queues: Sequence[str] = (), lease: float = 30.0
) -> str:
    """Register a worker and return its id."""
    number = next(_numbers)
    worker_id = f"00000000-0000-4000-8000-{number:012d}"
    store.register(
        {
            "worker_id": worker_id,
            "host": HOST,
            "pid": number,
            "pid_started": "1",
            "boot_id": "a boot",
            "pid_namespace": "a namespace",
            "jobreg_version": "0.1.0",
            "concurrency": 2,
            "queues": json.dumps(list(queues)),
            "names": json.dumps(list(names)),
            "lease": lease,
        }
    )
    return worker_id


def row_of(store: Store, worker_id: str) -> WorkerRow:
    """A worker as others see it."""
    return next(row for row in store.workers() if row.worker_id == worker_id)


def offer(job_name: str = JOB, most: int = 10, ahead: int = 0, **options: Any) -> Offer:
    """A job that a worker is ready to run."""
    return Offer(job_name, "acme.render:run", PROVIDER, JobOptions(**options), most, ahead)


def claim(
    store: Store, worker_id: str, *offers: Offer, queues: Sequence[str] = ()
) -> list[Claim] | None:
    """Claim as a worker does: look which names are due, then take what is offered."""
    return store.claim(worker_id, store.due(), offers or (offer(),), queues)


def claim_one(store: Store, worker_id: str, **options: Any) -> Claim:
    """Claim the run that comes first."""
    claims = claim(store, worker_id, offer(most=1, **options))
    assert claims is not None
    (taken,) = claims
    return evolve(taken, options=JobOptions(**options), provider=PROVIDER)


def outcome(taken: Claim, ending: Ending = Ending.SUCCEEDED, **said: Any) -> Outcome:
    """What happened to a claim, decided with the longest wait."""
    if ending is Ending.SUCCEEDED:
        said = {"result": '"done"', "provider": taken.provider, **said}
    if ending is Ending.ERROR:
        said = {"error": ErrorReport("ValueError", "no", "Traceback ..."), **said}
    if ending is not Ending.RELEASED:
        said = {"started": 1.0, **said}
    raw = Outcome(run_id=taken.run_id, attempt=taken.attempt, ending=ending, **said)
    return decide(taken, raw, lambda: 1.0)


def settle(store: Store, worker_id: str, *outcomes: Outcome) -> list[Outcome]:
    """Write outcomes; returns those that were refused."""
    return store.settle(worker_id, HOST, outcomes)


def finish(store: Store, worker_id: str, ending: Ending = Ending.SUCCEEDED, **said: Any) -> Claim:
    """Claim the run that comes first and settle it."""
    taken = claim_one(store, worker_id, **said)
    assert settle(store, worker_id, outcome(taken, ending)) == []
    return taken


def said_to_sqlite(store: Store) -> list[str]:
    """Each statement that comes by the connection which is lent next, as it comes."""
    said = list[str]()
    lent = store.database.lend()
    assert lent is not None
    lent.connection.set_trace_callback(said.append)
    store.database.lending.give_back(lent)
    return said


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    """All rows of all our tables."""
    from sqlalchemy import exists, literal, select

    from jobreg.store.tables import metadata

    tables = metadata.sorted_tables
    # Most are empty, which one statement tells of all of them.
    whether = select(*(exists(select(literal(1)).select_from(each)) for each in tables))
    with store.reading() as connection:
        filled = connection.execute(whether).one()
        return {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            if any_row
            else []
            for table, any_row in zip(tables, filled, strict=True)
        }


def states(store: Store) -> dict[str, int]:
    """How many runs are in each state that has any."""
    return {state: number for state, number in store.counts().items() if number}
