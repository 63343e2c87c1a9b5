"""Typed values as plain JSON: dates, UUIDs, paths, enums, attrs classes, dataclasses.

Loaded when a parameter or result is not plain JSON already. Every encoding is one that the
annotation of that type turns back into an equal value; what has none is refused with its path.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from .plain import MAX_DEPTH, fault, key_fault, too_deep

_MINUTE = timedelta(minutes=1)
_NOTHING = object()


class NotPlain(Exception):
    """A value that JSON cannot hold; the message begins with its path."""


def plain(value: object, path: str, depth: int = 0) -> Any:
    """Make a value of dict, list, str, int, float, bool and None.

    Args:
        value: anything; it is not changed.
        path: what the value is called, such as ``result``.
        depth: how deep it lies.

    Raises:
        NotPlain: part of it would not come back as it is.

    Example:
        >>> from datetime import date
        >>> from jobreg.signature.encoding import plain
        >>> plain({"due": date(2026, 1, 31)}, "params")
        {'due': '2026-01-31'}
    """
    if isinstance(value, Enum):
        return plain(value.value, path, depth + 1)
    text = _text(value, path)
    if text is not None:
        value = text
    inner = _inner(value, path)
    if inner is None:
        _refuse(fault(value, path, depth))
        return value
    if depth >= MAX_DEPTH:
        raise NotPlain(too_deep(path))
    if isinstance(inner, dict):
        for key in inner:
            _refuse(key_fault(key, path))
        return {key: plain(item, f"{path}.{key}", depth + 1) for key, item in inner.items()}
    return [plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(inner)]


def difference(one: Any, other: Any, path: str) -> str | None:
    """The path of the first place where two plain values differ; None where they are equal."""
    pairs: Iterable[tuple[Any, Any, str]] = ()
    if isinstance(one, dict) and isinstance(other, dict):
        keys = dict.fromkeys((*one, *other))
        pairs = (
            (one.get(key, _NOTHING), other.get(key, _NOTHING), f"{path}.{key}") for key in keys
        )
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = (
            (first, second, f"{path}[{index}]")
            for index, (first, second) in enumerate(zip(one, other, strict=True))
        )
    elif one != other:
        return path
    return next(filter(None, (difference(*pair) for pair in pairs)), None)


def _refuse(told: str | None) -> None:
    if told:
        raise NotPlain(told)


def _text(value: object, path: str) -> str | None:
    """The text of a value that has one which gives it back; None for every other value."""
    if isinstance(value, UUID | PurePath):
        return str(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise NotPlain(f"{path} is {value}, which JSON cannot hold")
        return str(value)
    # Of these the very classes: a subclass (pandas.Timestamp, NaT) may hold what is lost here.
    kind = type(value)
    if kind is datetime or kind is time:
        assert isinstance(value, datetime | time)
        return _moment(value, path)
    if kind is date:
        assert isinstance(value, date)
        return value.isoformat()
    if kind is timedelta:
        import msgspec

        return str(msgspec.to_builtins(value))
    if isinstance(value, date | time | timedelta):
        raise NotPlain(f"{path} is a {kind.__name__}; give a plain {_base(kind)}")
    return None


def _base(kind: type) -> str:
    return next(each.__name__ for each in kind.__mro__ if each in (datetime, date, time, timedelta))


def _moment(value: datetime | time, path: str) -> str:
    """ISO 8601, with the offset where the value knows its own."""
    offset = value.utcoffset()
    if value.tzinfo is not None and offset is None:
        raise NotPlain(f"{path} has a time zone without an offset, which would be lost")
    if offset is not None and offset % _MINUTE:
        raise NotPlain(f"{path} has an offset of {offset}, and ISO 8601 knows whole minutes only")
    return value.isoformat()


def _inner(value: object, path: str) -> dict[str, Any] | list[Any] | None:
    """What a value is made of, by name or by number; None where it has no parts."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list | tuple):
        return list(value)
    kind = type(value)
    if hasattr(kind, "__struct_fields__"):
        return _struct(value)
    if hasattr(kind, "__attrs_attrs__"):
        names = [each.name for each in kind.__attrs_attrs__]
    elif dataclasses.is_dataclass(kind):
        names = [each.name for each in dataclasses.fields(kind)]
    else:
        return None
    for name in names:
        if not hasattr(value, name):
            raise NotPlain(f"{path}.{name} was never set")
    return {name: getattr(value, name) for name in names}


def _struct(value: Any) -> dict[str, Any] | list[Any]:
    """The parts of a msgspec.Struct under the names, tag and form that its class asks for."""
    from msgspec import UNSET

    config, names = value.__struct_config__, value.__struct_encode_fields__
    tagged = [] if config.tag is None else [(config.tag_field, config.tag)]
    fields = [
        (name, getattr(value, field))
        for name, field in zip(names, value.__struct_fields__, strict=True)
    ]
    parts = [*tagged, *fields]
    if config.array_like:
        return [part for _, part in parts]
    return {name: part for name, part in parts if part is not UNSET}
