"""Claims and outcomes as JSON bytes for the pipe between supervisor and child."""

from __future__ import annotations

import json
from typing import Any

from attrs import asdict

from ..lifecycle import Claim, Ending, ErrorReport, Outcome, Progress, Provider, Reason
from ..options import Backoff, JobOptions


def pack(message: dict[str, Any]) -> bytes:
    """One message as bytes."""
    # ASCII only: a lone surrogate in a job's text must not break the pipe.
    return json.dumps(message).encode("ascii")


def unpack(data: bytes) -> dict[str, Any]:
    """One message from its bytes."""
    message: dict[str, Any] = json.loads(data)
    return message


def claim_to(claim: Claim) -> dict[str, Any]:
    """A claim for the pipe."""
    return {
        "run_id": claim.run_id,
        "job_name": claim.job_name,
        "params": claim.params,
        "attempt": claim.attempt,
        "worker_id": claim.worker_id,
        "target": claim.target,
        "provider": provider_to(claim.provider),
        "options": claim.options.to_wire(),
    }


def claim_from(wire: dict[str, Any]) -> Claim:
    """The inverse of :func:`claim_to`."""
    return Claim(
        **wire
        | {
            "provider": provider_from(wire["provider"]),
            "options": JobOptions.from_wire(wire["options"]),
        }
    )


def provider_to(provider: Provider | None) -> list[str] | None:
    """A provider for the pipe."""
    return None if provider is None else [provider.dist, provider.version]


def provider_from(wire: list[str] | None) -> Provider | None:
    """The inverse of :func:`provider_to`."""
    return None if wire is None else Provider(*wire)


def progress_from(wire: dict[str, Any] | None) -> Progress | None:
    """Progress from the pipe."""
    return None if wire is None else Progress(**wire)


def outcome_to(outcome: Outcome) -> dict[str, Any]:
    """An outcome, undecided, for the pipe."""
    left_out = ("provider", "state", "delay", "tries", "crashes", "suspect")
    return {key: value for key, value in asdict(outcome).items() if key not in left_out}


def outcome_from(wire: dict[str, Any], provider: Provider | None) -> Outcome:
    """The inverse of :func:`outcome_to`; the supervisor knows the provider itself."""
    error, backoff = wire["error"], wire["backoff"]
    return Outcome(
        **wire
        | {
            "ending": Ending(wire["ending"]),
            "reason": wire["reason"] and Reason(wire["reason"]),
            "error": error and ErrorReport(**error),
            "backoff": backoff and Backoff(**backoff),
            "progress": progress_from(wire["progress"]),
            "provider": provider,
        }
    )
