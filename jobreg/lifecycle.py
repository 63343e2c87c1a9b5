"""The values that cross the walls of the house, and which state of a run may follow which."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from signal import SIGKILL
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field, frozen

from .options import DEFAULTS, Backoff, JobOptions

if TYPE_CHECKING:
    from attrs import frozen as often_made
else:
    # Frozen to the type checker alone: to set each field past the lock is a third of the making.
    often_made = define


class State(StrEnum):
    """Where a run is. The last three are final; only ``retry`` leaves them."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """True when the run is over."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class Reason(StrEnum):
    """Why a run failed, or (``asked``, ``job``, ``replaced``) was cancelled."""

    ERROR = "error"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    REFUSED = "refused"
    EXPIRED = "expired"
    ASKED = "asked"
    JOB = "job"
    REPLACED = "replaced"


class Ending(StrEnum):
    """How an attempt came out."""

    SUCCEEDED = "succeeded"
    ERROR = "error"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    LOST = "lost"
    CANCELLED = "cancelled"
    RELEASED = "released"
    SNOOZED = "snoozed"


@frozen
class Provider:
    """The distribution that advertises a job, by normalised name and version."""

    dist: str
    version: str


@frozen
class ErrorReport:
    """What a job raised: bare class name, message, and the traceback's text."""

    type: str
    message: str
    traceback: str = ""


@frozen
class Progress:
    """How far a run has come; ``total`` is None where the job does not know it."""

    done: float
    total: float | None = None
    message: str | None = None


# Two are made for each run that is submitted: by order, not by name, in half of the time.
@often_made
class RunRecord:
    """One run, as it was asked for and, once it is stored, as it stands.

    ``params`` and ``result`` are JSON text; times are aware, in UTC; ``timeout``, ``max_age`` and
    ``delay`` are seconds. ``unique_policy`` says what its submit does where an unfinished run of
    the job has the key; like ``delay`` it is not stored. None in ``timeout``, ``max_attempts``,
    ``max_crashes``, ``max_age`` leaves the word to the version of the job that will run it; None
    in ``queue`` and ``priority`` as well, and a stored record says where it stands now.
    """

    run_id: str
    job_name: str
    params: str = "{}"
    queue: str | None = None
    priority: int | None = None
    timeout: float | None = None
    max_attempts: int | None = None
    max_crashes: int | None = None
    max_age: float | None = None
    tags: tuple[str, ...] = ()
    delay: float = 0.0
    scheduled_at: datetime | None = None
    retried_from: str | None = None
    unique_key: str | None = None
    unique_policy: str = "return"

    state: State = State.QUEUED
    reason: Reason | None = None
    result: str | None = None
    error: ErrorReport | None = None
    attempt: int = 0
    tries: int = 0
    crashes: int = 0
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: Progress | None = None
    provider: Provider | None = None
    worker_id: str | None = None


@frozen(kw_only=True)
class Attempt:
    """One try of a run, as history keeps it. ``number`` rises, with gaps.

    ``peak_memory`` is the most its process had in memory, in bytes, where it died of a crash.
    """

    number: int
    outcome: Ending
    worker_id: str
    host: str
    pid: int | None
    provider: Provider | None
    started_at: datetime | None
    finished_at: datetime
    error: ErrorReport | None
    exit_signal: int | None
    peak_memory: int | None = None


LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
"""The levels of Python's logging, by name."""


@frozen(kw_only=True)
class LogLine:
    """One line that a run printed or logged.

    ``at`` is an aware time in UTC, by the clock of the worker's host; ``stream`` is ``stdout``,
    ``stderr`` or ``logging``; ``level`` the name of a logging level, ``INFO`` for stdout and
    ``WARNING`` for stderr; ``logger`` the logger's name, None for what was printed.
    """

    at: datetime
    attempt: int
    stream: str
    level: str
    logger: str | None
    text: str


@frozen
class LogChunk:
    """Lines of one stream, level and logger from the same moment, joined by newlines.

    ``at`` is microseconds since 1970, UTC, by the clock of this host.
    """

    at: int
    stream: str
    level: str
    logger: str | None
    text: str = field(repr=False)


@often_made(kw_only=True)
class Claim:
    """A run this worker holds: what an engine needs to execute it.

    ``attempt`` is the fence. ``asked`` holds the submitter's limits, ``options`` the effective
    ones once the job is known; ``target`` is ``module:attr`` of the installed version. ``age`` is
    for how many seconds the run had been due when it was claimed. A ``suspect`` was lost with its
    worker among others, and runs alone. Of an ``unread`` job nobody could read the options: no run
    of it begins before they are. ``row`` is a note of the database that gave it, for itself: where
    the run stands in its tables, and what stands there; empty where it makes none.
    """

    run_id: str
    job_name: str
    params: str
    attempt: int
    tries: int = 0
    crashes: int = 0
    timeout: float | None = None
    max_attempts: int | None = None
    max_crashes: int | None = None
    max_age: float | None = None
    worker_id: str = ""
    age: float = 0.0
    suspect: bool = False
    options: JobOptions = DEFAULTS
    target: str = ""
    provider: Provider | None = None
    unread: bool = False
    row: tuple[Any, ...] = ()

    @property
    def expired(self) -> bool:
        """Is it too old to begin?"""
        return self.options.max_age is not None and self.age > self.options.max_age


@often_made(kw_only=True)
class Outcome:
    """What happened to one claim, and (once decided) what follows from it.

    ``started`` and ``ended`` are on the process clock (:mod:`jobreg.clock`), in seconds;
    ``started`` is None where the job's code was never entered. ``after`` is the wait that the job
    asked for, in seconds; ``backoff`` the one for what it raised; ``peak_memory`` is in bytes;
    ``row`` is the claim's.
    """

    run_id: str
    attempt: int
    ending: Ending
    result: str | None = None
    error: ErrorReport | None = None
    reason: Reason | None = None
    retryable: bool = True
    after: float | None = None
    backoff: Backoff | None = None
    exit_signal: int | None = None
    peak_memory: int | None = None
    pid: int | None = None
    provider: Provider | None = None
    started: float | None = None
    ended: float = 0.0
    progress: Progress | None = None

    state: State | None = None
    delay: float = 0.0
    tries: int = 0
    crashes: int = 0
    suspect: bool = False
    row: tuple[Any, ...] = ()


Lane = tuple[str, Provider | None]
"""Where runs share room: an engine and, where many share a child, its provider."""


PROCESSES: Lane = ("processes", None)


def lane_of(options: JobOptions, provider: Provider | None) -> Lane:
    """The lane of a job's runs; those in processes find room whoever provides them."""
    return PROCESSES if options.runs_in == "processes" else (options.runs_in, provider)


FIRST_CRASH_WAIT = 5.0
LONGEST_CRASH_WAIT = 300.0


def crash_wait(crashes: int) -> float:
    """Seconds before a crashed run is tried again: none at first, then 5 s doubling to 5 min."""
    if crashes <= 1:
        return 0.0
    return min(LONGEST_CRASH_WAIT, FIRST_CRASH_WAIT * 2.0 ** min(crashes - 2, 16))


def decide(claim: Claim, outcome: Outcome, chance: Callable[[], float]) -> Outcome:
    """Say which state follows from an outcome, with its reason, wait and counters.

    ``chance`` gives a number from 0 to below 1, for the jitter of the backoff.
    """
    if outcome.ending is Ending.SUCCEEDED:
        return succeeded(claim, outcome)
    tries, crashes, options = claim.tries, claim.crashes, claim.options
    state, reason, delay = State.QUEUED, None, 0.0
    match outcome.ending:
        case Ending.CANCELLED:
            state, reason = State.CANCELLED, outcome.reason or Reason.ASKED
        case Ending.SNOOZED:
            delay = outcome.after or 0.0
            state = State.SCHEDULED if delay else State.QUEUED
        case Ending.ERROR | Ending.TIMEOUT:
            tries += 1
            if outcome.retryable and tries < options.max_attempts:
                backoff = outcome.backoff or options.backoff
                state = State.SCHEDULED
                delay = outcome.after if outcome.after is not None else backoff.delay(tries, chance)
            else:
                state, reason = State.FAILED, outcome.reason or Reason(outcome.ending.value)
        case Ending.CRASHED:
            crashes += 1
            limit = options.max_crashes
            if claim.unread and limit == DEFAULTS.max_crashes and outcome.exit_signal != SIGKILL:
                limit = 1  # the import ends its process, and would again: nobody killed it
            if crashes < limit:
                delay = crash_wait(crashes)
                state = State.SCHEDULED if delay else State.QUEUED
            else:
                state, reason = State.FAILED, Reason.CRASHED
        case Ending.RELEASED if outcome.reason is Reason.EXPIRED:
            state, reason = State.FAILED, Reason.EXPIRED
        case Ending.RELEASED | Ending.LOST if (
            options.at_most_once and outcome.started is not None and not claim.unread
        ):
            crashes += 1
            state, reason = State.FAILED, Reason.CRASHED
            if outcome.error is None:
                why = "Its process ended while it ran, and it may begin only once."
                outcome = evolve(outcome, error=ErrorReport("ProcessDied", why))
    # Lost with its neighbours in one child: it runs alone next, and then it is known who it was.
    lost = outcome.ending is Ending.LOST
    unclear = lost or (claim.suspect and outcome.ending is Ending.RELEASED)
    return evolve(
        outcome, state=state, reason=reason, delay=delay, tries=tries, crashes=crashes,
        suspect=unclear and state is State.QUEUED,
    )  # fmt: skip


def succeeded(claim: Claim, outcome: Outcome) -> Outcome:
    """What most come to, written out: evolve takes as long as all of a settle."""
    if outcome.state is State.SUCCEEDED:
        return outcome
    return Outcome(
        run_id=outcome.run_id,
        attempt=outcome.attempt,
        ending=outcome.ending,
        result=outcome.result,
        pid=outcome.pid,
        provider=outcome.provider,
        started=outcome.started,
        ended=outcome.ended,
        progress=outcome.progress,
        state=State.SUCCEEDED,
        tries=claim.tries,
        crashes=claim.crashes,
        row=claim.row,
    )


def decide_lost(
    *, run_id: str, attempt: int, tries: int, crashes: int, try_limit: int | None,
    crash_limit: int | None, alone: bool,
) -> Outcome:  # fmt: skip
    """Say what follows for a run whose worker is dead.

    ``alone``: it was the only one its worker held, so it is charged with the crash. The limits
    are what the dead worker knew of the job; None where it never got to know it.
    """
    limit = crash_limit if crash_limit is not None else DEFAULTS.max_crashes
    once = try_limit == 1 and crash_limit == 1
    charged = alone or once
    outcome = Outcome(
        run_id=run_id,
        attempt=attempt,
        ending=Ending.CRASHED if charged else Ending.LOST,
        error=ErrorReport("WorkerLost", "The worker that ran this was lost."),
        tries=tries,
        crashes=crashes + charged,
    )
    if not charged:
        return evolve(outcome, state=State.QUEUED, suspect=True)
    if outcome.crashes >= limit:
        return evolve(outcome, state=State.FAILED, reason=Reason.CRASHED)
    delay = crash_wait(outcome.crashes)
    return evolve(outcome, state=State.SCHEDULED if delay else State.QUEUED, delay=delay)
