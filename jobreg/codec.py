"""Parameters and results to stored JSON and back, within their caps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from attrs import asdict

from .errors import BadInput, JobRegError, ResultRefused
from .lifecycle import Attempt, ErrorReport, LogLine, Provider, RunRecord

MAX_DEPTH = 100
# Python refuses to write or read a longer one (sys.int_info.default_max_str_digits).
_LONGEST_INT = 10**4300
_PLAIN = (str, int, bool, type(None))


def _is_unicode(text: str) -> bool:
    """False where a text holds half of a surrogate pair, which no UTF-8 can carry."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _fault(value: Any, path: str, depth: int = 0) -> str | None:
    """Name the first place where a value is not JSON, or None when all of it is."""
    kind = type(value)
    if kind is str:
        return None if _is_unicode(value) else f"{path} holds text that is not Unicode"
    if kind is int and abs(value) >= _LONGEST_INT:
        return f"{path} is a number of more than 4,300 digits"
    if kind in _PLAIN:
        return None
    if isinstance(value, float):
        return None if isfinite(value) else f"{path} is {value}, which JSON cannot hold"
    if isinstance(value, _PLAIN):
        # A StrEnum or IntEnum member would come back as a bare string or number.
        return f"{path} is a {kind.__name__}; give its plain value"
    if depth >= MAX_DEPTH:
        return f"{path[:80]}... is nested more than {MAX_DEPTH} levels deep"
    if isinstance(value, dict):
        for key, item in value.items():
            if type(key) is not str:
                return f"{path} has the key {key!r:.80}, and JSON keys are strings"
            if not _is_unicode(key):
                return f"{path} has the key {key!a:.80}, which is not Unicode"
            fault = _fault(item, f"{path}.{key}", depth + 1)
            if fault:
                return fault
        return None
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            fault = _fault(item, f"{path}[{index}]", depth + 1)
            if fault:
                return fault
        return None
    return f"{path} is a {kind.__name__}, which JSON cannot hold"


def _encode(value: object, what: str, cap: int, setting: str, refusal: type[JobRegError]) -> str:
    fault = _fault(value, what)
    if fault:
        raise refusal(f"{fault}. JSON holds dict, list, str, int, float, bool and None.")
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    size = len(text.encode())
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
    if params is None:
        return "{}"
    if not isinstance(params, Mapping):
        raise BadInput(
            f"params is a {type(params).__name__}; a job takes named parameters: "
            'give an object such as {"account": 42}.'
        )
    return _encode(dict(params), "params", cap, "JOBREG_MAX_PARAMS", BadInput)


def encode_result(value: object, cap: int) -> str:
    """Turn what a job returned into the JSON that is stored.

    Raises:
        ResultRefused: it would not come back as it is, or is over ``cap`` bytes.
    """
    return _encode(value, "result", cap, "JOBREG_MAX_RESULT", ResultRefused)


def decode(text: str) -> Any:
    """Read stored JSON."""
    return json.loads(text)


def clip(text: str, cap: int) -> str:
    """Cut a text to ``cap`` bytes, saying so; what no UTF-8 or no database takes is escaped."""
    # PostgreSQL keeps no null character in a text; what one store keeps all must.
    data = text.replace("\0", "\\x00").encode("utf-8", "backslashreplace")
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
        "unique_key": None,
        "retried_from": record.retried_from,
        "created_at": _time(record.created_at),
        "scheduled_at": _time(record.scheduled_at),
        "started_at": _time(record.started_at),
        "finished_at": _time(record.finished_at),
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
        "started_at": _time(attempt.started_at),
        "finished_at": _time(attempt.finished_at),
        "provider": _provider(attempt.provider),
        "worker_id": attempt.worker_id,
        "host": attempt.host,
        "pid": attempt.pid,
        "exit_signal": attempt.exit_signal,
        "error": _error(attempt.error),
    }


def log_object(line: LogLine) -> dict[str, Any]:
    """One line of a run's log as programs see it."""
    return asdict(line) | {"at": _time(line.at)}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def _error(error: ErrorReport | None) -> dict[str, Any] | None:
    return None if error is None else asdict(error)


def _provider(provider: Provider | None) -> dict[str, Any] | None:
    return None if provider is None else asdict(provider)
