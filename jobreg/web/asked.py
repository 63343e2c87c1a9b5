"""One request as a handler is given it: read and checked against what its route takes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from .. import codec
from ..errors import BadInput
from ..legible import brief
from .problems import Problem, malformed

if TYPE_CHECKING:
    from ..client import Client
    from .live import Live

_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no")
# What nothing after this would refuse: to Python anything is true or not, and much is a list.
_KINDS = {"boolean": (bool, "neither true nor false"), "array": (list, "not a list")}


@frozen(kw_only=True)
class Parameter:
    """One thing that a route takes in its query: name, JSON Schema, and what it means."""

    name: str
    schema: Mapping[str, Any]
    about: str

    @property
    def many(self) -> bool:
        """May it be given several times?"""
        return self.schema.get("type") == "array"


@frozen(kw_only=True)
class Asked:
    """A request, checked: ``path`` are the parts of its path, ``query`` and ``body`` by name."""

    client: Client
    live: Live
    path: Mapping[str, str] = field(factory=dict)
    query: Mapping[str, Any] = field(factory=dict)
    body: Mapping[str, Any] = field(factory=dict)


def read_query(pairs: Sequence[tuple[str, str]], parameters: Sequence[Parameter]) -> dict[str, Any]:
    """What was given in a query, each as its schema says.

    Raises:
        BadInput: something is unknown, given twice, or not what it should be.
    """
    known = {each.name: each for each in parameters}
    found: dict[str, Any] = {}
    for name, text in pairs:
        parameter = known.get(name)
        if parameter is None:
            raise BadInput(_unknown("query", name, list(known)))
        if parameter.many:
            found.setdefault(name, []).append(_value(name, text, parameter.schema["items"]))
        elif name in found:
            raise BadInput(f"{name}: given more than once; one is taken.")
        else:
            found[name] = _value(name, text, parameter.schema)
    return found


def _value(name: str, text: str, schema: Mapping[str, Any]) -> Any:
    match schema.get("type"):
        case "integer":
            digits = text.removeprefix("-")
            if not (digits.isascii() and digits.isdecimal() and len(digits) <= 18):
                raise BadInput(f"{name}: {text[:80]!r} is not a whole number.")
            return int(text)
        case "boolean":
            if text.lower() not in _TRUE + _FALSE:
                raise BadInput(f"{name}: {text[:80]!r} is neither true nor false.")
            return text.lower() in _TRUE
        case "object":
            value = read_json(text.encode("utf-8", "surrogatepass"), name)
            if not isinstance(value, dict):
                raise BadInput(f"{name}: give a JSON object.")
            return value
    return _fitting(name, text, schema)


def _fitting(name: str, value: Any, schema: Mapping[str, Any]) -> Any:
    """A value as its schema says; what is beyond this is judged where it is used."""
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind  # null, the other one, is always let pass
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)  # which is a whole number to JSON
    if value is not None and kind in _KINDS and not isinstance(value, _KINDS[kind][0]):
        raise BadInput(f"{name}: {brief(value)!r} is {_KINDS[kind][1]}.")
    pattern = schema.get("pattern")
    if pattern is not None and isinstance(value, str) and not re.search(pattern, value):
        raise BadInput(f"{name}: {value[:80]!r} is not of the form {pattern}")
    if "const" in schema and value is not None and value is not schema["const"]:
        raise BadInput(f"{name}: {brief(value)!r} is not {json.dumps(schema['const'])}.")
    return value


def read_json(data: bytes, what: str) -> Any:
    """A JSON text.

    Raises:
        Problem: 400; it is none.
    """
    try:
        return codec.read_json(data.decode())
    except BadInput as error:
        raise malformed(f"{what}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise malformed(f"{what}: it is not JSON in UTF-8 ({error}).") from None


def read_body(data: bytes, media_type: str, schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """The JSON object that is the body of a request; its members are those of the schema.

    Raises:
        Problem: 400 where it cannot be read, 415 where it is no JSON.
        BadInput: a member is unknown or missing.
    """
    if schema is None:
        return {}
    if not data and not schema.get("required"):
        return {}
    if media_type.partition(";")[0].strip().lower() != "application/json":
        raise Problem(
            415, "not-json", "Send the body as JSON, with Content-Type: application/json."
        )
    value = read_json(data, "body")
    if not isinstance(value, dict):
        raise BadInput("body: give a JSON object.")
    known = list(schema["properties"])
    for name in value:
        if name not in known:
            raise BadInput(_unknown("body", name, known))
    missing = [name for name in schema.get("required", ()) if value.get(name) is None]
    if missing:
        raise BadInput(f"body: {', '.join(missing)} is missing.")
    members = schema["properties"]
    return {name: _fitting(name, each, members[name]) for name, each in value.items()}


def _unknown(where: str, name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name[:128], known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    there_is = f" It takes: {', '.join(known)}." if known else " It takes none."
    return f"{where}: unknown {name[:80]!r}.{hint or there_is}"
