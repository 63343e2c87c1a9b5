"""Parameters and results to stored JSON and back, within their caps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from .errors import BadInput, JobRegError, ResultRefused

MAX_DEPTH = 100
_PLAIN = (str, int, bool, type(None))


def _fault(value: object, path: str, depth: int = 0) -> str | None:
    """Name the first place where a value is not JSON, or None when all of it is."""
    kind = type(value)
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
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise refusal(f"{what} holds text that is not Unicode: {error.reason}.") from None
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
    """Cut a text to ``cap`` bytes, saying so; what cannot be encoded is escaped."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= cap:
        return data.decode()
    marker = f"\n... cut, {len(data):,} bytes in all"
    return data[: max(0, cap - len(marker))].decode("utf-8", "ignore") + marker
