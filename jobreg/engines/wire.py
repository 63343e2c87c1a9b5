"""What supervisor and child say to each other: lines of JSON, several in one read.

To the child: ``{"do": "probe" | "run", ...}``. From it, lists: ``["hello", ...]``,
``["read", ...]`` (a hello that a run brought), ``["begun", ...]``, ``["progress", ...]``,
``["skipped", ...]``, ``["done", ...]``, ``["outcome", ...]``; the second of the last five is the
number of the run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from attrs import asdict

from ..lifecycle import Claim, Ending, ErrorReport, Outcome, Progress, Provider, Reason, State
from ..options import Backoff, JobOptions

READ = 256 * 1024
"""Bytes to read at a time."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def pack(message: object) -> bytes:
    """One message as a line."""
    try:
        return _encode(message) + b"\n"
    except UnicodeEncodeError:
        # A lone surrogate in a job's text must not break the pipe: escaped, it goes through.
        return json.dumps(message).encode("ascii") + b"\n"


def unpack(line: bytes) -> Any:
    """One message from its line.

    Raises:
        ValueError: it is none.
    """
    try:
        return _decode(line)
    except msgspec.MsgspecError:
        return json.loads(line)


class Lines:
    """Cuts what arrives into lines; the last may be half a one."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The whole lines that are there now: what was said before it was spoilt, was said.

        Raises:
            ValueError: what follows them cannot become one: a job wrote into our pipe.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        yield from lines
        if self._rest and self._rest[:1] not in (b"[", b"{"):
            raise ValueError("this is no message of ours")


class Told:
    """What a child was told of jobs, by number. What it knows is not said again."""

    _MOST = 1000

    def __init__(self) -> None:
        self._numbers: dict[tuple[Any, ...], tuple[int, JobOptions]] = {}

    def number_of(self, claim: Claim) -> tuple[int, bool]:
        """The number of a claim's job, and whether the child is to be told of it."""
        options = claim.options
        key = claim.job_name, claim.target, claim.worker_id, claim.unread, id(options)
        known = self._numbers.get(key)
        if known is not None:
            return known[0], False
        # Options are kept with their number, so that no others can have their id.
        self._numbers[key] = len(self._numbers), options
        return len(self._numbers) - 1, True

    def is_full(self) -> bool:
        """Is it time to begin anew? Runs may have options of their own, without end."""
        if len(self._numbers) < self._MOST:
            return False
        self._numbers.clear()
        return True


def run_to(numbered: Iterable[tuple[int, Claim]], caps: dict[str, Any], told: Told) -> bytes:
    """Claims for the child, numbered; what is the same for many of them is said once."""
    jobs: list[dict[str, Any]] = []
    claims = []
    anew = told.is_full()
    for number, claim in numbered:
        job, is_new = told.number_of(claim)
        if is_new:
            jobs.append(
                {
                    "job_name": claim.job_name,
                    "worker_id": claim.worker_id,
                    "target": claim.target,
                    "provider": provider_to(claim.provider),
                    "options": claim.options.to_wire(),
                    "unread": claim.unread,
                }
            )
        claims.append((number, job, claim.run_id, claim.attempt, claim.params))
    return pack({"do": "run", "anew": anew, "jobs": jobs, "claims": claims, **caps})


def run_from(message: dict[str, Any], jobs: list[dict[str, Any]]) -> Iterator[tuple[int, Claim]]:
    """The inverse of :func:`run_to`; ``jobs`` are those of which was told before."""
    if message["anew"]:
        jobs.clear()
    jobs += [
        job
        | {
            "provider": provider_from(job["provider"]),
            "options": JobOptions.from_wire(job["options"]),
        }
        for job in message["jobs"]
    ]
    for number, job, run_id, attempt, params in message["claims"]:
        yield number, Claim(run_id=run_id, attempt=attempt, params=params, **jobs[job])


def provider_to(provider: Provider | None) -> list[str] | None:
    """A provider for the pipe."""
    return None if provider is None else [provider.dist, provider.version]


def provider_from(wire: list[str] | None) -> Provider | None:
    """The inverse of :func:`provider_to`."""
    return None if wire is None else Provider(*wire)


def progress_to(progress: Progress) -> list[Any]:
    """Progress for the pipe."""
    return [progress.done, progress.total, progress.message]


def progress_from(wire: list[Any] | None) -> Progress | None:
    """Progress from the pipe."""
    return None if wire is None else Progress(*wire)


def outcome_to(number: int, outcome: Outcome, changed: bool, marks: object) -> bytes:
    """An outcome, undecided; ``changed``: its child must not be used again.

    ``marks`` say where its output ends, None where it made none (:mod:`.capture`).
    """
    if outcome.ending is Ending.SUCCEEDED and not changed and outcome.progress is None:
        done = ("done", number, outcome.result, outcome.started, outcome.ended, marks)
        return pack(done)
    left_out = (
        "run_id", "attempt", "provider", "state", "delay", "tries", "crashes", "suspect", "row",
    )  # fmt: skip
    told = {key: value for key, value in asdict(outcome).items() if key not in left_out}
    told["progress"] = outcome.progress and progress_to(outcome.progress)
    return pack(("outcome", number, told, changed, marks))


def done_from(claim: Claim, message: list[Any], pid: int) -> Outcome:
    """A run that succeeded, from the pipe, decided: the supervisor knows itself whose it was."""
    return Outcome(
        run_id=claim.run_id, attempt=claim.attempt, ending=Ending.SUCCEEDED, result=message[2],
        started=message[3], ended=message[4], provider=claim.provider, pid=pid,
        state=State.SUCCEEDED, tries=claim.tries, crashes=claim.crashes, row=claim.row,
    )  # fmt: skip


def outcome_from(claim: Claim, wire: dict[str, Any], pid: int) -> Outcome:
    """Any other outcome."""
    error, backoff = wire["error"], wire["backoff"]
    return Outcome(
        **wire
        | {
            "run_id": claim.run_id,
            "attempt": claim.attempt,
            "ending": Ending(wire["ending"]),
            "reason": wire["reason"] and Reason(wire["reason"]),
            "error": error and ErrorReport(**error),
            "backoff": backoff and Backoff(**backoff),
            "progress": progress_from(wire["progress"]),
            "provider": claim.provider,
            "pid": pid,
        }
    )
