"""What is answered when something is wrong: problem documents, as RFC 9457 has them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from attrs import field, frozen

from ..errors import (
    BadInput,
    Conflict,
    JobConflict,
    JobRegError,
    NotFound,
    SchemaMismatch,
    StoreError,
    StoreUnavailable,
    SubmitUncertain,
    UnknownJob,
    UnknownRun,
)

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:jobreg:problem:"
RETRY_AFTER = 5
"""Seconds after which it may be worth asking again, where the store cannot be reached."""


@frozen
class Problem(Exception):
    """Something is wrong with a request. ``more`` are members of the document beside its own."""

    status: int
    code: str
    detail: str
    headers: dict[str, str] = field(factory=dict)
    more: dict[str, Any] = field(factory=dict)

    def document(self) -> dict[str, Any]:
        """As JSON (RFC 9457, section 3.1)."""
        return {
            "type": TYPE + self.code,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }


_KNOWN: tuple[tuple[type[JobRegError], int, str], ...] = (
    (UnknownJob, 404, "unknown-job"),
    (UnknownRun, 404, "unknown-run"),
    (NotFound, 404, "not-found"),
    (JobConflict, 409, "job-conflict"),
    (Conflict, 409, "conflict"),
    (BadInput, 422, "bad-input"),
    (SubmitUncertain, 503, "submit-uncertain"),
    (SchemaMismatch, 503, "schema-mismatch"),
    (StoreUnavailable, 503, "store-unavailable"),
    (StoreError, 503, "store-error"),
)


def problem_of(error: JobRegError) -> Problem:
    """The problem that an error of jobreg is to who asked."""
    status, code = next(
        ((status, code) for kind, status, code in _KNOWN if isinstance(error, kind)),
        (500, "error"),
    )
    more: dict[str, Any] = {}
    if isinstance(error, UnknownJob) and error.close:
        more["close"] = list(error.close)
    if isinstance(error, BadInput) and error.faults:
        more["faults"] = list(error.faults)
    headers = {"Retry-After": str(RETRY_AFTER)} if status == 503 else {}
    return Problem(status, code, str(error), headers, more)


def malformed(detail: str) -> Problem:
    """A request that cannot be read."""
    return Problem(400, "malformed", detail)
