"""Rows of the database to the values of lifecycle.py, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from attrs import asdict, frozen

from .. import clock
from ..catalogue import Entry
from ..lifecycle import (
    Attempt,
    Claim,
    Ending,
    ErrorReport,
    LogChunk,
    LogLine,
    Outcome,
    Progress,
    Provider,
    Reason,
    RunRecord,
    State,
)

if TYPE_CHECKING:
    from .offers import Offer

Row = Mapping[Any, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(seconds: float) -> int:
    """Seconds as whole microseconds."""
    return round(seconds * 1_000_000)


def to_stored_time(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def from_stored_time(stored: int | None) -> datetime | None:
    """Microseconds since 1970 as an aware datetime in UTC."""
    return None if stored is None else _EPOCH + stored * _MICROSECOND


@frozen(kw_only=True)
class WorkerRow:
    """A worker as the store knows it.

    ``expired`` and ``beat_age`` (seconds since it was heard) are by the database's clock.
    """

    worker_id: str
    state: str
    host: str
    pid: int
    pid_started: str | None
    boot_id: str | None
    pid_namespace: str | None
    concurrency: int
    queues: tuple[str, ...]
    names: tuple[str, ...]
    lease: float
    beat: int
    started_at: datetime | None
    beat_at: datetime | None
    expired: bool
    beat_age: float = 0.0
    jobreg_version: str = ""
    condition: str | None = None
    asked: str | None = None

    @property
    def live(self) -> bool:
        """True while its lease holds."""
        return self.state == "live" and not self.expired

    @property
    def shown(self) -> str:
        """How it is: ``live``, ``draining``, ``degraded`` or ``dead``.

        Degraded is a worker that says so of itself (it is behind with the database, or cannot
        start processes), and one that was not heard for half a lease, of which it beats every
        third.
        """
        if not self.live:
            return "dead"
        late = self.beat_age > self.lease / 2
        draining = "draining" if self.asked == "drain" else None
        return ("degraded" if late else None) or self.condition or draining or "live"

    def serves(self, queue: str, job_name: str) -> bool:
        """Would this worker claim a run of that name from that queue?"""
        return job_name in self.names and (not self.queues or queue in self.queues)


def worker_of(row: Row) -> WorkerRow:
    """Read a row of ``jobreg_workers``."""
    return WorkerRow(
        worker_id=row["worker_id"],
        state=row["state"],
        host=row["host"],
        pid=row["pid"],
        pid_started=row["pid_started"],
        boot_id=row["boot_id"],
        pid_namespace=row["pid_namespace"],
        concurrency=row["concurrency"],
        queues=tuple(json.loads(row["queues"])),
        names=tuple(json.loads(row["names"])),
        lease=row["lease"],
        beat=row["beat"],
        started_at=from_stored_time(row["started_at"]),
        beat_at=from_stored_time(row["beat_at"]),
        expired=row["expires_at"] <= row["now"],
        beat_age=max(0, row["now"] - row["beat_at"]) / 1e6,  # its clock may have been set back
        jobreg_version=row["jobreg_version"],
        condition=row["condition"],
        asked=row["asked"],
    )


@frozen
class Pause:
    """A queue or a job (``kind``) whose queued runs nobody claims, and since when, in UTC."""

    kind: str
    name: str
    paused_at: datetime | None


@frozen(kw_only=True)
class Depth:
    """Unfinished runs of one job in one queue and state; ``age`` is of the oldest due time.

    In seconds by the database's clock, negative where that is still to come.
    """

    queue: str
    job_name: str
    state: State
    number: int
    age: float


@frozen(kw_only=True)
class Load:
    """What waits and runs, and how many runs a minute were settled lately, by final state."""

    depths: tuple[Depth, ...]
    per_minute: dict[State, float]


def load_of(depths: Sequence[Row], settled: Sequence[Row], window: float, most: int) -> Load:
    """Read what ``depths`` and ``settled_lately`` found; at most ``most`` of a state were seen."""
    rates = {}
    for row in settled:
        # Where more than were looked at are that young, they tell of a shorter time.
        seconds = max(row["age"] / 1e6, 1.0) if row["number"] >= most else window
        rates[State(row["state"])] = row["number"] * 60 / seconds
    found = (
        Depth(
            queue=row["queue"],
            job_name=row["job_name"],
            state=State(row["state"]),
            number=row["number"],
            age=row["age"] / 1e6,
        )
        for row in depths
    )
    return Load(depths=tuple(found), per_minute=rates)


def storable(text: str | None) -> str | None:
    """A text as every database keeps it: null and half characters, which some do not, escaped."""
    if text is None:
        return None
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def _progress_of(text: str | None) -> Progress | None:
    return None if text is None else Progress(*json.loads(text))


def progress_text(progress: Progress | None) -> str | None:
    """Progress as it is stored."""
    if progress is None:
        return None
    return json.dumps([progress.done, progress.total, progress.message])


def _provider_of(row: Row) -> Provider | None:
    return None if row["dist"] is None else Provider(row["dist"], row["version"])


def _error_of(row: Row) -> ErrorReport | None:
    if row["error_type"] is None:
        return None
    return ErrorReport(row["error_type"], row["error_message"], row["error_traceback"])


def run_of(row: Row) -> RunRecord:
    """Read a run, live columns first where it has them."""
    return RunRecord(
        run_id=row["run_id"],
        job_name=row["job_name"],
        params=row["params"],
        queue=row["queue"],
        priority=row["priority"],
        timeout=row["timeout"],
        max_attempts=row["max_attempts"],
        max_crashes=row["max_crashes"],
        max_age=row["max_age"],
        tags=tuple(json.loads(row["tags"])),
        retried_from=row["retried_from"],
        unique_key=row["unique_key"],
        state=State(row["state"]),
        reason=None if row["reason"] is None else Reason(row["reason"]),
        result=row["result"],
        error=_error_of(row),
        attempt=row["attempt"],
        tries=row["tries"],
        crashes=row["crashes"],
        created_at=from_stored_time(row["created_at"]),
        scheduled_at=from_stored_time(row["due_at"]),
        started_at=from_stored_time(row["started_at"]),
        finished_at=from_stored_time(row["finished_at"]),
        progress=_progress_of(row["progress"]),
        provider=_provider_of(row),
        worker_id=row["worker_id"],
    )


def claim_under(
    offer: Offer,
    worker_id: str,
    run_id: str,
    attempt: int,
    tries: int,
    crashes: int,
    params: str,
    timeout: float | None,
    max_attempts: int | None,
    max_crashes: int | None,
    max_age: float | None,
    age: int,
    suspect: int | None,
    *row: Any,
) -> Claim:
    """What a claim returned, joined with the installed version of its job and its limits.

    What a database returned beyond that is a note for itself.
    """
    options = offer.options
    if not (timeout is max_attempts is max_crashes is max_age is None):
        options = options.override_within_bounds(
            timeout=timeout, max_attempts=max_attempts, max_crashes=max_crashes, max_age=max_age
        )
    return Claim(
        run_id=run_id, job_name=offer.job_name, params=params, attempt=attempt, tries=tries,
        crashes=crashes, timeout=timeout, max_attempts=max_attempts, max_crashes=max_crashes,
        max_age=max_age, worker_id=worker_id, age=age / 1e6, suspect=bool(suspect),
        options=options, target=offer.target, provider=offer.provider, unread=offer.unread, row=row,
    )  # fmt: skip


def attempt_of(row: Row) -> Attempt:
    """Read a row of ``jobreg_attempts``."""
    finished = from_stored_time(row["finished_at"])
    assert finished is not None
    return Attempt(
        number=row["attempt"],
        outcome=Ending(row["outcome"]),
        worker_id=row["worker_id"],
        host=row["host"],
        pid=row["pid"],
        provider=_provider_of(row),
        started_at=from_stored_time(row["started_at"]),
        finished_at=finished,
        error=_error_of(row),
        exit_signal=row["exit_signal"],
        peak_memory=row["peak_memory"],
    )


@frozen
class LogRow:
    """One row of ``jobreg_logs``: what an attempt said between two writes; numbers rise."""

    run_id: str
    attempt: int
    number: int
    chunks: tuple[LogChunk, ...]

    def lines(self) -> Iterator[LogLine]:
        """Each line by itself."""
        for chunk in self.chunks:
            at = from_stored_time(chunk.at)
            assert at is not None
            for text in chunk.text.split("\n"):
                yield LogLine(
                    at=at,
                    attempt=self.attempt,
                    stream=chunk.stream,
                    level=chunk.level,
                    logger=chunk.logger,
                    text=text,
                )


def log_columns(row: LogRow, worker_id: str) -> dict[str, Any]:
    """What ``insert_logs`` binds for a row."""
    return {
        "of_run": row.run_id,
        "of_attempt": row.attempt,
        "of_worker": worker_id,
        "number": row.number,
        "body": json.dumps([asdict(chunk) for chunk in row.chunks], ensure_ascii=False),
    }


def log_row_of(row: Row) -> LogRow:
    """Read a row of ``jobreg_logs``."""
    chunks = tuple(LogChunk(**chunk) for chunk in json.loads(row["body"]))
    return LogRow(row["run_id"], row["attempt"], row["number"], chunks)


def entry_of(row: Row) -> Entry:
    """Read a row of ``jobreg_catalogue``."""

    def value(text: str | None) -> Any:
        return None if text is None else json.loads(text)

    return Entry(
        job_name=row["job_name"],
        provider=Provider(row["dist"], row["version"]),
        options=value(row["options"]),
        signature=value(row["signature"]),
        params_schema=value(row["params_schema"]),
        summary=row["summary"],
        import_seconds=row["import_seconds"],
        trouble=row["trouble"],
        first_seen=from_stored_time(row["first_seen"]),
        last_seen=from_stored_time(row["last_seen"]),
    )


def age_and_duration(outcome: Outcome, now: float) -> tuple[int, int]:
    """For how long an attempt has been over and how long it took, in microseconds.

    Durations were measured on the process clock, on which it is ``now``; they are laid onto the
    database's.
    """
    ended, began = outcome.ended, outcome.started
    if not ended:
        return 0, 0
    took = 0 if began is None or began > ended else round((ended - began) * 1e6)
    return (round((now - ended) * 1e6) if now > ended else 0), took


def outcome_columns(held: Row, outcome: Outcome, host: str) -> dict[str, Any]:
    """The columns that attempts and runs share, from an outcome and the live row it ends."""
    age, took = age_and_duration(outcome, clock.seconds())
    finished = held["now"] - age
    started = held["started_at"] if outcome.started is None else finished - took
    error, provider = outcome.error, outcome.provider
    return {
        "run_id": outcome.run_id,
        "attempt": outcome.attempt,
        "outcome": outcome.ending.value,
        "worker_id": held["worker_id"],
        "host": host,
        "pid": outcome.pid,
        "dist": provider.dist if provider else held["dist"],
        "version": provider.version if provider else held["version"],
        "started_at": started,
        "finished_at": finished,
        "error_type": storable(error.type[:256]) if error else None,
        "error_message": storable(error.message) if error else None,
        "error_traceback": storable(error.traceback) if error else None,
        "exit_signal": outcome.exit_signal,
        "peak_memory": outcome.peak_memory,
    }
