"""What people type on the command line as values: ``key=value``, and times."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ..codec import each_once
from ..errors import BadInput


def read_json(text: str, **how: Any) -> Any:
    """What a JSON text says.

    Raises:
        BadInput: it says a thing twice, of which one would be lost, or has a number too long.
        ValueError: it is no JSON.
    """
    return json.loads(text, object_pairs_hook=each_once, parse_int=_whole, **how)


def _whole(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # sys.set_int_max_str_digits
        raise BadInput(
            f"{digits[:20]}... is a number of thousands of digits. Give it as a text, in "
            "quotation marks of JSON."
        ) from None


def _no_constant(text: str) -> object:
    raise ValueError(text)


def _value(text: str) -> object:
    """The value of ``key=value``: JSON if it parses, else the text itself."""
    try:
        # NaN and Infinity are words of JavaScript, not of JSON.
        return read_json(text, parse_constant=_no_constant)
    except BadInput:
        raise
    except (ValueError, RecursionError):
        return text


def add_pairs(params: dict[str, Any], pairs: Iterable[str]) -> dict[str, Any]:
    """Put each ``key=value`` into a mapping, and return it.

    Raises:
        BadInput: one is not of that form, or two have one key.
    """
    return params | once(map(_pair, pairs))


def once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping of what was typed. Raises BadInput where one of two values would be lost."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise BadInput(f"{key[:80]}= is given twice. Give it once.")
        found[key] = value
    return found


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise BadInput(f"{text!r} is not key=value. Give parameters as account=42.")
    return key, _value(value)


def local_moment(text: str, option: str) -> datetime:
    """A time in ISO 8601, of this machine's zone where it names none.

    Raises:
        BadInput: it is none; ``option`` is where it was given.
    """
    try:
        moment = datetime.fromisoformat(text)
        return _in_zone(moment) if moment.tzinfo is None else moment
    except (ValueError, OverflowError):
        # A local time at either end of the calendar may have no moment in UTC.
        raise BadInput(
            f"--{option} {text!r} is not an ISO 8601 time, as 2026-01-31T12:00Z."
        ) from None


def _in_zone(local: datetime) -> datetime:
    """A time of this machine's zone, never before it."""
    moment = local.astimezone()
    if moment.replace(tzinfo=None) == local:
        return moment
    # There is no such time: clocks were put forward over it, and Python tells an hour before.
    return max(moment, local.replace(fold=1).astimezone())
