"""What bodies and answers look like: JSON Schema (draft 2020-12), as OpenAPI 3.1 takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..bulk import CANCEL, RETRY, Verb
from ..lifecycle import Ending, Reason, State
from ..request import MAX_KEY, MAX_TAG, MAX_TAGS, POLICIES
from ..selection import LONGEST_TEXT
from .access import ROLES

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
TRUTH: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
UUID: Schema = {"type": "string", "format": "uuid"}
OBJECT: Schema = {"type": "object"}
NAME: Schema = {
    "type": "string",
    "pattern": r"^[a-z0-9_]+(\.[a-z0-9_]+)*$",
    "minLength": 1,
    "maxLength": 128,
}
QUEUE: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_.-]+$", "minLength": 1, "maxLength": 64}
SECONDS: Schema = {"type": "number", "minimum": 0, "maximum": 1e7}
DURATION: Schema = {
    "description": 'Seconds, or a text such as "90s", "5m", "2h", "1d".',
    "anyOf": [
        SECONDS,
        {"type": "string", "pattern": "^[0-9]{1,4}[smhd]$"},
    ],
}
LIMIT: Schema = {
    "description": 'Seconds, over 0, or a text such as "90s", "5m", "2h", "1d".',
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1e7},
        {"type": "string", "pattern": "^[1-9][0-9]{0,3}[smhd]$"},
    ],
}
WHEN: Schema = {
    "description": 'A time in ISO 8601 with its UTC offset, or how long ago: seconds, or "2h".',
    "anyOf": [
        TIME,
        {
            "type": "string",
            "pattern": "^([0-9]{1,4}d|[0-9]{1,5}h|[0-9]{1,7}m?|[0-9]{9}|[0-9]{1,9}s)$",
        },
    ],
}
LIKE: Schema = {
    "type": "string",
    "pattern": r"^[a-z0-9_]+(\.[a-z0-9_]+)*(\.\*)?$",
    "minLength": 1,
    "maxLength": 128,
}
PRINTABLE: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}
TAG: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_TAG}
KEY: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_KEY}


def maybe(schema: Mapping[str, Any]) -> Schema:
    """The same, or null."""
    return {"anyOf": [dict(schema), {"type": "null"}]}


def many(schema: Mapping[str, Any]) -> Schema:
    """A list of them."""
    return {"type": "array", "items": dict(schema)}


def ref(name: str) -> Schema:
    """One of the schemas of this document."""
    return {"$ref": f"#/components/schemas/{name}"}


def whole(**members: Any) -> Schema:
    """An object with all of these members, and no others."""
    return {
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


SUBMIT: Schema = {
    "type": "object",
    "properties": {
        "job_name": NAME | {"description": "The permanent name of the job."},
        "params": OBJECT | {"description": "Its parameters, by name."},
        "timeout": LIMIT,
        "delay": DURATION,
        "at": TIME | {"description": "Not before this time; not with delay."},
        "queue": QUEUE,
        "priority": WHOLE | {"minimum": -32768, "maximum": 32767},
        "max_attempts": WHOLE | {"minimum": 1, "maximum": 1000},
        "max_crashes": WHOLE | {"minimum": 1, "maximum": 1000},
        "max_age": LIMIT,
        "unique_key": KEY,
        "unique_policy": {"enum": list(POLICIES)},
        "run_id": UUID | {"description": "Yours; repeating a submit with it is safe."},
        "tags": many(TAG) | {"type": ["array", "null"], "maxItems": MAX_TAGS},
    },
    "required": ["job_name"],
    "additionalProperties": False,
    "not": {"required": ["at", "delay"]},
}
"""What a submit takes."""

IN_PATH: dict[str, Schema] = {"run_id": UUID, "job_name": NAME, "queue": QUEUE, "worker_id": TEXT}
"""The parts of paths, by name. Of a run's id 8 characters are enough."""

FILTERS: dict[str, Schema] = {
    "job_name": LIKE
    | {"description": 'Runs of this job, under any of its names; or of all below: "reports.*".'},
    "state": many({"enum": [state.value for state in State]})
    | {"description": "Runs in this state; of several, those of the first come first."},
    "reason": {"enum": [reason.value for reason in Reason]},
    "queue": QUEUE,
    "provider": PRINTABLE | {"description": "Runs last run by this distribution."},
    "version": PRINTABLE | {"description": "Runs last run by this version."},
    "unique_key": KEY,
    "tags": many(TAG) | {"description": "Runs that have all these tags.", "maxItems": MAX_TAGS},
    "since": WHEN,
    "until": WHEN,
    "params": OBJECT
    | {
        "description": "Runs with these parameter values, by name or dotted path; wants job_name "
        "or since as well.",
        "propertyNames": {"minLength": 1},
    },
}
"""What runs are looked for by."""


def bulk(verb: Verb) -> Schema:
    """What is done to many runs takes: filters, which find those alone that it touches."""
    states = many({"enum": [state.value for state in verb.touched]})
    return _BULK | {"properties": {**_BULK["properties"], "state": states | {"minItems": 1}}}


_BULK: Schema = {
    "type": "object",
    "properties": {
        **FILTERS,
        # An empty list would find all.
        "tags": FILTERS["tags"] | {"minItems": 1},
        # In a body seconds may be a number of their own; in a query all are texts.
        "since": WHEN | {"anyOf": [*WHEN["anyOf"], SECONDS]},
        "until": WHEN | {"anyOf": [*WHEN["anyOf"], SECONDS]},
        "params": FILTERS["params"] | {"minProperties": 1},
        "run_ids": many(UUID)
        | {"description": "These runs, instead of filters.", "minItems": 1, "maxItems": 10_000},
        "all": {"const": True, "description": "All in a state that it touches, without a filter."},
        "limit": WHOLE | {"minimum": 1, "maximum": 10_000},
        "dry_run": TRUTH | {"description": "Count them, and do nothing."},
    },
    "additionalProperties": False,
    "oneOf": [
        {"required": ["run_ids"]},
        {"required": ["all"]},
        {"anyOf": [{"required": [name]} for name in FILTERS]},
    ],
}

CANCEL_MANY, RETRY_MANY = bulk(CANCEL), bulk(RETRY)

_PROVIDER = whole(dist=TEXT, version=TEXT)
_ERROR = whole(type=TEXT, message=TEXT, traceback=TEXT)
_ENDED = {"succeeded": NUMBER, "failed": NUMBER, "cancelled": NUMBER}

COMPONENTS: dict[str, Schema] = {
    "Submit": SUBMIT,
    "CancelMany": CANCEL_MANY,
    "RetryMany": RETRY_MANY,
    "Run": whole(
        run_id=UUID,
        job_name=TEXT,
        params=OBJECT,
        state={"enum": [state.value for state in State]},
        reason=maybe({"enum": [reason.value for reason in Reason]}),
        waiting_on=maybe(TEXT) | {"description": "Why it is not running though it waits."},
        result={"description": "What the job returned."},
        error=maybe(_ERROR),
        attempt=WHOLE,
        tries=WHOLE,
        crashes=WHOLE,
        max_attempts=maybe(WHOLE),
        max_crashes=maybe(WHOLE),
        queue=TEXT,
        priority=WHOLE,
        timeout=maybe(NUMBER),
        unique_key=maybe(TEXT),
        retried_from=maybe(UUID),
        created_at=TIME,
        scheduled_at=TIME,
        started_at=maybe(TIME),
        finished_at=maybe(TIME),
        progress=maybe(whole(done=NUMBER, total=maybe(NUMBER), message=maybe(TEXT))),
        provider=maybe(_PROVIDER),
        worker_id=maybe(TEXT),
        tags=many(TEXT),
    ),
    "Runs": whole(runs=many(ref("Run")), next=maybe(TEXT)),
    "Attempt": whole(
        attempt=WHOLE,
        outcome={"enum": [ending.value for ending in Ending]},
        started_at=maybe(TIME),
        finished_at=TIME,
        provider=maybe(_PROVIDER),
        worker_id=TEXT,
        host=TEXT,
        pid=maybe(WHOLE),
        exit_signal=maybe(WHOLE),
        error=maybe(_ERROR),
    ),
    "Attempts": whole(attempts=many(ref("Attempt"))),
    "Line": whole(at=TIME, attempt=WHOLE, stream=TEXT, level=TEXT, logger=maybe(TEXT), text=TEXT),
    "Lines": whole(lines=many(ref("Line")), next=maybe(TEXT)),
    "Changes": whole(
        dry_run=TRUTH,
        count=WHOLE,
        refused=WHOLE,
        more=TRUTH,
        runs=many(
            whole(
                run_id=maybe(UUID),
                job_name=maybe(TEXT),
                was=maybe(TEXT),
                state=maybe(TEXT),
                did=maybe(TEXT),
                new_run_id=maybe(UUID),
                error=maybe(TEXT),
            )
        ),
    ),
    "Job": {
        "type": "object",
        "properties": {
            "name": TEXT,
            "dist": maybe(TEXT),
            "version": maybe(TEXT),
            "state": {
                "enum": ["ok", "alias", "conflict", "invalid", "denied", "refused", "elsewhere"]
            },
            "params_schema": maybe(OBJECT),
            "options": maybe(OBJECT),
        },
        "required": ["name", "dist", "version", "state"],
    },
    "Jobs": whole(jobs=many(ref("Job")), problems=many(OBJECT)),
    "Depth": whole(
        queue=TEXT,
        job_name=TEXT,
        queued=WHOLE,
        running=WHOLE,
        scheduled=WHOLE,
        oldest_due=maybe(NUMBER),
    ),
    "Worker": {
        "type": "object",
        "properties": {
            "worker_id": TEXT,
            "state": {"enum": ["live", "draining", "degraded", "dead"]},
            "host": TEXT,
            "pid": WHOLE,
            "busy": WHOLE,
            "slots": WHOLE,
            "beat_age": NUMBER,
            "queues": many(TEXT),
            "lease": NUMBER,
            "jobreg_version": TEXT,
            "names": many(TEXT),
        },
        "required": ["worker_id", "state", "host", "pid", "busy", "slots", "beat_age", "queues"],
    },
    "Workers": whole(workers=many(ref("Worker"))),
    "Drained": whole(asked=many(TEXT)),
    "Queues": whole(
        queues=many(ref("Depth")), paused=many(whole(kind=TEXT, name=TEXT, paused_at=TIME))
    ),
    "Pause": whole(kind=TEXT, name=TEXT, state={"enum": ["paused", "resumed"]}, changed=TRUTH),
    "Status": whole(
        queues=many(ref("Depth")),
        per_minute=whole(**_ENDED),
        window=NUMBER,
        workers=many(ref("Worker")),
    ),
    "Health": whole(status=TEXT, version=TEXT),
    "Document": OBJECT,
    "Problem": {
        "type": "object",
        "description": "What is wrong, as RFC 9457 has it.",
        "properties": {
            "type": TEXT,
            "title": TEXT,
            "status": WHOLE,
            "detail": TEXT,
            "close": many(TEXT) | {"description": "Names of jobs that may have been meant."},
            "faults": many(TEXT) | {"description": "Each fault of the parameters."},
            "run_id": UUID | {"description": "With this id it is safe to submit again."},
        },
        "required": ["type", "title", "status", "detail"],
    },
}
"""The schemas of this document, by name; those of jobs come beside them."""

ROLE: Schema = {"enum": list(ROLES)}
