"""What people type on the command line as values: ``key=value``, and times."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ..errors import BadInput


def _no_constant(text: str) -> object:
    raise ValueError(text)


def _value(text: str) -> object:
    """The value of ``key=value``: JSON if it parses, else the text itself."""
    try:
        # NaN and Infinity are words of JavaScript, not of JSON.
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def add_pairs(params: dict[str, Any], pairs: Iterable[str]) -> dict[str, Any]:
    """Put each ``key=value`` into a mapping, and return it.

    Raises:
        BadInput: one is not of that form.
    """
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise BadInput(f"{pair!r} is not key=value. Give parameters as account=42.")
        params[key] = _value(value)
    return params


def local_moment(text: str, option: str) -> datetime:
    """A time in ISO 8601, of this machine's zone where it names none.

    Raises:
        BadInput: it is none; ``option`` is where it was given.
    """
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone() if moment.tzinfo is None else moment
    except (ValueError, OverflowError):
        # A local time at either end of the calendar may have no moment in UTC.
        raise BadInput(
            f"--{option} {text!r} is not an ISO 8601 time, as 2026-01-31T12:00Z."
        ) from None
