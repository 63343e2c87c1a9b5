"""The rows of MLflow's table ``jobs`` become runs of jobs that have names.

Before MLflow gave its jobs names the table held full function names (``function_fullname``);
since then it holds ``job_name``.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

from attrs import define, field, frozen

from .codec import clip, encode_params, encode_result, read_json
from .errors import BadInput, JobRegError
from .lifecycle import ErrorReport, Reason, RunRecord, State
from .options import LONGEST, count
from .registry.entry_points import name_fault
from .registry.snapshot import Snapshot
from .settings import Settings
from .store.database import one_line
from .store.mlflow_jobs import is_utf8

if TYPE_CHECKING:
    from .store import Store
    from .store.mlflow_jobs import Jobs

# By the number MLflow stores.
_STATES: tuple[tuple[State, Reason | None], ...] = (
    (State.QUEUED, None),  # pending
    (State.QUEUED, None),  # running: its worker is MLflow's, and gone
    (State.SUCCEEDED, None),
    (State.FAILED, Reason.ERROR),
    (State.FAILED, Reason.TIMEOUT),
    (State.CANCELLED, Reason.ASKED),
    (State.QUEUED, None),  # needs recovery: it was under way when MLflow's server was stopped
)


@frozen
class Unreadable:
    """A row that cannot become a run: its id there, and why."""

    id: str
    why: str


@define
class Taking:
    """What a pass over the table has met: what each name means here, and what cannot be taken."""

    given: Mapping[str, str]
    installed: Snapshot
    settings: Settings
    names: dict[str, str | None] = field(factory=dict)
    numbers: Counter[str] = field(factory=Counter)
    unreadable: list[Unreadable] = field(factory=list)
    known: int = 0
    """Runs that the store had already."""
    taken: Counter[str] = field(factory=Counter)
    """Runs that are new to the store, by state."""
    _seen: set[str] = field(factory=set, init=False)
    """Ids of runs: those of two rows may be the same UUID, in other letters."""

    @property
    def unmapped(self) -> dict[str, int]:
        """How many rows have each name that means no job here."""
        return {old: self.numbers[old] for old, name in self.names.items() if name is None}

    def take(self, jobs: Jobs, store: Store, *, write: bool) -> None:
        """Go over the table; where it is to ``write``, import what can be."""
        for rows in jobs.slices():
            runs = list(self._runs(rows))
            if write:
                fresh = store.imports.add(runs)
            else:
                ids = store.imports.known([run.run_id for run in runs])
                fresh = [run for run in runs if run.run_id not in ids]
            self.known += len(runs) - len(fresh)
            self.taken.update(run.state.value for run in fresh)

    def _runs(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[RunRecord]:
        for row in rows:
            old = str(row["name"])
            if old not in self.names:
                self.names[old] = name_of(old, self.given, self.installed)
            self.numbers[old] += 1
            name = self.names[old]
            run = run_of(row, name or "unknown", self.settings)
            if isinstance(run, Unreadable):
                self.unreadable.append(run)
            elif run.run_id in self._seen:
                self.known += 1
            elif name is not None:
                self._seen.add(run.run_id)
                yield run


def read_map(text: str, file: str) -> dict[str, str]:
    """The mapping file: a JSON object of job names by the names MLflow has.

    Raises:
        BadInput: it is something else, or one of the names cannot be a job's.
    """
    try:
        found = read_json(text)
    except BadInput as error:
        raise BadInput(f"{file}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file}: not JSON ({error}).") from error
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise BadInput(
            f"{file}: give a JSON object of job names by the names MLflow has, such as "
            '{"acme.render.run": "reports.render"}.'
        )
    for name in found.values():
        fault = name_fault(name)
        if fault:
            raise BadInput(f"{file}: {fault}")
    return found


def name_of(old: str, given: Mapping[str, str], installed: Snapshot) -> str | None:
    """The job that a name of MLflow's means here; None where that cannot be told.

    What is ``given`` counts first, then the names of jobs that are ``installed``, then what they
    point to: ``acme.render.run`` is the one job whose target is ``acme.render:run``.
    """
    if old in given:
        return given[old]
    if old in installed.jobs:
        return old
    found = [
        ref.name
        for ref in installed.jobs.values()
        if f"{ref.module}.{ref.attr}" == old and ref.name not in installed.aliases
    ]
    return found[0] if len(found) == 1 else None


def run_of(row: Mapping[str, Any], name: str, settings: Settings) -> RunRecord | Unreadable:
    """A row as a run of the job ``name``."""
    try:
        return _run_of(row, name, settings)
    except (JobRegError, ValueError, TypeError, OverflowError, RecursionError) as error:
        return Unreadable("NULL" if row["id"] is None else str(row["id"]), one_line(str(error)))


def _run_of(row: Mapping[str, Any], name: str, settings: Settings) -> RunRecord:
    if row["id"] is None:
        raise BadInput("id: there is none.")
    for what in ("id", "params", "result"):
        if not is_utf8(row[what]):
            raise BadInput(f"{what}: not text in UTF-8.")
    status = row["status"]
    tried = count(int(row["retry_count"] or 0), "retry_count", least=0)
    if status not in range(len(_STATES)):
        raise BadInput(f"status: {status!r} is none of 0 to {len(_STATES) - 1}.")
    state, reason = _STATES[status]
    result: str | None = None
    error: ErrorReport | None = None
    text = row["result"]
    if state is State.SUCCEEDED:
        value = None if text is None else _json(text, "result")
        result = encode_result(value, settings.max_result)
    elif state is State.FAILED and text:
        kind = "TimeoutError" if reason is Reason.TIMEOUT else "Exception"
        error = ErrorReport(kind, clip(str(text), settings.max_error), "")
    ended = tried + 1 if state in (State.SUCCEEDED, State.FAILED) else tried
    return RunRecord(
        run_id=_run_id(str(row["id"])),
        job_name=name,
        params=encode_params(_object(row["params"]), settings.max_params),
        timeout=_timeout(row["timeout"]),
        state=state,
        reason=reason,
        result=result,
        error=error,
        attempt=ended if state.final else 0,
        tries=ended if state.final else 0,
        created_at=_moment(row["creation_time"], "creation_time"),
        finished_at=_moment(row["last_update_time"], "last_update_time") if state.final else None,
    )


def _run_id(id: str) -> str:
    """The id itself where it is a UUID, else one that is always the same for it."""
    try:
        return str(UUID(id))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, f"mlflow-job:{id}"))


def _timeout(seconds: Any) -> float | None:
    """MLflow takes any number; one that is longer than a submit may ask for is no limit."""
    if seconds is None:
        return None
    if not (seconds > 0 and math.isfinite(seconds)):
        raise BadInput(f"timeout: {seconds!r} is not a number of seconds.")
    return float(seconds) if seconds <= LONGEST else None


def _json(text: Any, what: str) -> Any:
    if isinstance(text, (dict, list)):  # a column of type JSON
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadInput(f"{what}: not JSON ({error}).") from error


def _object(text: Any) -> dict[str, Any]:
    found = _json(text, "params")
    if not isinstance(found, dict):
        raise BadInput("params: not a JSON object.")
    return found


def _moment(milliseconds: Any, what: str) -> datetime:
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(milliseconds))
    except (TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"{what}: {milliseconds!r} is no time in milliseconds.") from error
