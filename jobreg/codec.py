"""Parameters and results to stored JSON and back, within their caps."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from json import encoder
from typing import Any, cast

from attrs import asdict

from .errors import BadInput, JobRegError, ResultRefused
from .lifecycle import Attempt, ErrorReport, LogLine, Provider, RunRecord
from .signature.plain import MAX_DEPTH as MAX_DEPTH, fault

# What goes round in circles is nested too deep, and refused before.
_encoder = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False
)
_scan = cast(Any, json.JSONDecoder()).scan_once


def _writer() -> Callable[[Any], str]:
    """What writes as ``_encoder`` does, which makes its scanner in C anew for every value."""
    make = cast(Any, encoder).c_make_encoder
    if make is None:  # a Python without it
        return _encoder.encode
    write = make(
        None, _encoder.default, cast(Any, encoder).encode_basestring, None,
        _encoder.key_separator, _encoder.item_separator, False, False, False,
    )  # fmt: skip
    return lambda value: "".join(write(value, 0))


_write = _writer()


def _plain(value: object, what: str, refusal: type[JobRegError]) -> Any:
    """Encode the typed values in it, or refuse it with the place named."""
    from .signature.encoding import NotPlain, plain

    try:
        return plain(value, what)
    except NotPlain as error:
        raise refusal(
            f"{error}. JSON holds dict, list, str, int, float, bool and None; dates, UUIDs, paths, "
            "decimals, enums, attrs classes and dataclasses are encoded."
        ) from None


def _encode(value: object, what: str, cap: int, setting: str, refusal: type[JobRegError]) -> str:
    text = _write(value)
    # Four bytes are the most that a character takes: a short text need not be measured.
    size = len(text) * 4 if len(text) * 4 <= cap else len(text.encode())
    if size > cap:
        raise refusal(
            f"{what} is {size:,} bytes of JSON; the cap is {cap:,} ({setting}). "
            "Store large data elsewhere and pass where it is."
        )
    return text


def encode_params(params: Mapping[str, Any] | None, cap: int) -> str:
    """Turn the parameters of a run into the JSON object that is stored.

    Raises:
        BadInput: not an object with string keys, not JSON, or over ``cap`` bytes.
    """
    value: Any = params
    if params is None:
        return "{}"
    if type(params) is not dict:  # as nearly all are
        if not isinstance(params, Mapping):
            raise BadInput(
                f"params is a {type(params).__name__}; a job takes named parameters: "
                'give an object such as {"account": 42}.'
            )
        value = dict(params)
    if fault(value, "params"):
        value = _plain(value, "params", BadInput)
    return _encode(value, "params", cap, "JOBREG_MAX_PARAMS", BadInput)


def encode_result(
    value: object, cap: int, read_back: Callable[[Any], str | None] = lambda _: None
) -> str:
    """Turn what a job returned into the JSON that is stored.

    ``read_back`` is asked of a value that had to be encoded: it says where that would not be read
    back through the job's annotation as it was, None when it would.

    Raises:
        ResultRefused: it would not come back as it is, or is over ``cap`` bytes.
    """
    if fault(value, "result"):
        value = _plain(value, "result", ResultRefused)
        told = read_back(value)
        if told:
            raise ResultRefused(f"{told}.")
    return _encode(value, "result", cap, "JOBREG_MAX_RESULT", ResultRefused)


def decode(text: str) -> Any:
    """Read stored JSON."""
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        return json.loads(text)  # which says what is wrong with it
    return value if end == len(text) else json.loads(text)


def read_json(text: str) -> Any:
    """Read JSON from elsewhere; NaN and Infinity, which Python would take, are none.

    Raises:
        BadInput: it says a thing twice, of which one would be lost.
        ValueError: it is no JSON.
        RecursionError: it is nested too deep to be read.
    """
    return json.loads(text, parse_constant=_refuse, object_pairs_hook=each_once)


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, each key of which stands once. Raises BadInput where one does not."""
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise BadInput(f"{twice[:80]!r} stands twice in one object. Give it once.")
    return found


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def same(one: Any, other: Any) -> bool:
    """Equal as JSON is: 1 is 1.0, but neither is true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def clip(text: str, cap: int) -> str:
    """Cut a text to ``cap`` bytes, saying so; what cannot be encoded is escaped."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= cap:
        return data.decode()
    marker = f"\n... cut, {len(data):,} bytes in all"
    return data[: max(0, cap - len(marker))].decode("utf-8", "ignore") + marker


def run_object(record: RunRecord, waiting_on: str | None = None) -> dict[str, Any]:
    """One run as programs see it: the field names of the command line and of every client."""
    return {
        "run_id": record.run_id,
        "job_name": record.job_name,
        "params": decode(record.params),
        "state": record.state.value,
        "reason": record.reason and record.reason.value,
        "waiting_on": waiting_on,
        "result": None if record.result is None else decode(record.result),
        "error": _error(record.error),
        "attempt": record.attempt,
        "tries": record.tries,
        "crashes": record.crashes,
        "max_attempts": record.max_attempts,
        "max_crashes": record.max_crashes,
        "queue": record.queue,
        "priority": record.priority,
        "timeout": record.timeout,
        "unique_key": record.unique_key,
        "retried_from": record.retried_from,
        "created_at": iso_time(record.created_at),
        "scheduled_at": iso_time(record.scheduled_at),
        "started_at": iso_time(record.started_at),
        "finished_at": iso_time(record.finished_at),
        "progress": record.progress and asdict(record.progress),
        "provider": _provider(record.provider),
        "worker_id": record.worker_id,
        "tags": list(record.tags),
    }


def attempt_object(attempt: Attempt) -> dict[str, Any]:
    """One attempt as programs see it."""
    return {
        "attempt": attempt.number,
        "outcome": attempt.outcome.value,
        "started_at": iso_time(attempt.started_at),
        "finished_at": iso_time(attempt.finished_at),
        "provider": _provider(attempt.provider),
        "worker_id": attempt.worker_id,
        "host": attempt.host,
        "pid": attempt.pid,
        "exit_signal": attempt.exit_signal,
        "error": _error(attempt.error),
    }


def log_object(line: LogLine) -> dict[str, Any]:
    """One line of a run's log as programs see it."""
    return asdict(line) | {"at": iso_time(line.at)}


def iso_time(moment: datetime | None) -> str | None:
    """A time as programs see it: ISO 8601, UTC."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def _error(error: ErrorReport | None) -> dict[str, Any] | None:
    return None if error is None else asdict(error)


def _provider(provider: Provider | None) -> dict[str, Any] | None:
    return None if provider is None else asdict(provider)
