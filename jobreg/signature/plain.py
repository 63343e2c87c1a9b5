"""What JSON can hold and give back: the check that every parameter and result passes."""

from __future__ import annotations

from math import isfinite
from typing import Any

from ..legible import brief

MAX_DEPTH = 100
# Python refuses to write or read a longer one (sys.int_info.default_max_str_digits).
_LONGEST_INT = 10**4300
_SHORTEST, _SHORT = -(2**63), 2**63
_PLAIN = (str, int, bool, type(None))


def _is_unicode(text: str) -> bool:
    """False where a text holds half of a surrogate pair, which no UTF-8 can carry."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _is_usual(value: Any) -> bool:
    """Is it such as most are, and nothing wrong with it? False says nothing."""
    kind = type(value)
    if kind is int:
        return bool(_SHORTEST < value < _SHORT)
    return value.isascii() if kind is str else kind is bool or value is None


def fault(value: Any, path: str, depth: int = 0) -> str | None:
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
        # It would come back as a bare string or number.
        return f"{path} is a {kind.__name__}; give its plain value"
    if depth >= MAX_DEPTH:
        return too_deep(path)
    if isinstance(value, dict):
        for key, item in value.items():
            if _is_usual(item) and type(key) is str and key.isascii():
                continue
            told = key_fault(key, path) or fault(item, f"{path}.{key}", depth + 1)
            if told:
                return told
        return None
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if _is_usual(item):
                continue
            told = fault(item, f"{path}[{index}]", depth + 1)
            if told:
                return told
        return None
    return f"{path} is a {kind.__name__}, which JSON cannot hold"


def key_fault(key: object, path: str) -> str | None:
    """Say why the object at a path cannot have this key; None when it can."""
    if type(key) is not str:
        return f"{path} has the key {brief(key, repr)}, and JSON keys are strings"
    if not _is_unicode(key):
        return f"{path} has the key {key!a:.80}, which is not Unicode"
    return None


def too_deep(path: str) -> str:
    """What is said of a value that is nested too deep, perhaps without end."""
    return f"{path[:80]}... is nested more than {MAX_DEPTH} levels deep"
