"""Says what a job's JSON schema finds wrong with parameters, all at once, importing no job.

It knows the part of JSON Schema 2020-12 (json-schema.org/draft/2020-12) that msgspec writes. What
it does not know it lets pass: the version of the job that will run has the last word.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import Annotated, Any
from uuid import UUID

from . import codec
from .catalogue import ParamsSchema
from .errors import BadInput
from .lifecycle import Provider, RunRecord

SEEN_WITHIN = timedelta(days=1)
"""A version seen this shortly before the newest may run still: what it takes is not refused."""

_MOST = 20
_KINDS: dict[object, type] = {
    "string": str, "integer": int, "number": float, "boolean": bool, "null": NoneType,
    "array": list, "object": dict,
}  # fmt: skip
_FORMATS: dict[object, type] = {
    "date-time": datetime, "date": date, "time": time, "duration": timedelta, "uuid": UUID,
    "decimal": Decimal,
}  # fmt: skip
_BOUNDS = {
    "minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of", "minLength": "min_length", "maxLength": "max_length",
    "pattern": "pattern",
}  # fmt: skip
"""Words of JSON Schema, and what msgspec calls them."""


def faults(schema: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    """List what is wrong with ``params``, each fault with its path; empty where nothing is.

    ``schema`` describes the whole object of parameters. At most 20 faults are listed, and how
    many more there are.

    Example:
        >>> schema = {"type": "object", "properties": {"account": {"type": "integer"}},
        ...           "required": ["account"], "additionalProperties": False}
        >>> faults(schema, {"acount": 42})
        ["missing 'account'", "unknown 'acount' (did you mean 'account'?)"]
    """
    found = list(_Judge(schema.get("$defs") or {}).check(schema, params, ""))
    if len(found) > _MOST:
        found[_MOST:] = [f"and {len(found) - _MOST} more"]
    return found


def judge(record: RunRecord, known: Iterable[ParamsSchema], installed: Provider | None) -> None:
    """Refuse a run whose parameters no version of its job would take.

    ``known`` is what the store holds of the job; ``installed`` is who provides it here. Where a
    version is installed here that the store knows nothing of, nothing is refused: it may be the
    one that will run it. Several versions may be at work during a deployment, so the run is
    accepted when one seen lately takes it.

    Raises:
        BadInput: each fault, with its path.
    """
    schemas = sorted(known, key=lambda each: each.last_seen, reverse=True)
    if not schemas or installed not in (None, *(each.provider for each in schemas)):
        return
    since = schemas[0].last_seen - SEEN_WITHIN
    params = codec.decode(record.params)
    told: list[list[str]] = []
    for each in schemas:
        if each.last_seen < since and each.provider != installed:
            continue
        told.append(faults(codec.decode(each.schema), params))
        if not told[-1]:
            return
    provider = schemas[0].provider
    raise BadInput(
        f"Job {record.job_name!r} of {provider.dist} {provider.version} refuses these params: "
        f"{'; '.join(told[0])}. See: jobreg jobs show {record.job_name}"
    )


class _Judge:
    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions

    def check(self, schema: object, value: object, path: str) -> Iterator[str]:
        schema = self._resolved(schema)
        if not isinstance(schema, Mapping):
            return
        if "anyOf" in schema:
            yield from self._any_of(schema["anyOf"], value, path)
        elif "enum" in schema:
            if not any(_same(value, allowed) for allowed in schema["enum"]):
                choice = ", ".join(json.dumps(each) for each in schema["enum"])
                yield f"{_at(path)}expected one of {choice[:200]}, got {_told(value)}"
        elif isinstance(value, dict) and schema.get("type") == "object":
            yield from self._object(schema, value, path)
        elif isinstance(value, list) and schema.get("type") == "array":
            yield from self._list(schema, value, path)
        elif not _plainly_fits(schema, value):
            yield from _misfits(schema, value, path)

    def _resolved(self, schema: object) -> object:
        for _ in range(20):  # a reference to a reference; never in circles without an end
            if not isinstance(schema, Mapping) or "$ref" not in schema:
                break
            schema = self._definitions.get(str(schema["$ref"]).removeprefix("#/$defs/"))
        return schema

    def _any_of(self, choices: list[object], value: object, path: str) -> Iterator[str]:
        answers = [list(self.check(choice, value, path)) for choice in choices]
        if all(answers):
            wanted = [
                choice
                for choice in map(self._resolved, choices)
                if isinstance(choice, Mapping) and _fits(choice.get("type"), value)
            ]
            if len(wanted) == 1:  # one is of the right kind: its own faults say more
                yield from self.check(wanted[0], value, path)
                return
            kinds = [_name_of(self._resolved(each)) for each in choices]
            yield f"{_at(path)}expected {' | '.join(kinds)}, got {_told(value)}"

    def _object(self, schema: Mapping[str, Any], value: dict[str, Any], path: str) -> Iterator[str]:
        known = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{path}.{name}: missing" if path else f"missing {name!r}"
        others = schema.get("additionalProperties", True)
        for name, each in value.items():
            if name in known:
                yield from self.check(known[name], each, _below(path, name))
            elif others is False:
                from difflib import get_close_matches

                close = get_close_matches(name, known.keys() - value.keys(), 1)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                yield f"unknown {_below(path, name)!r}{hint}"
            elif others is not True:
                yield from self.check(others, each, _below(path, name))

    def _list(self, schema: Mapping[str, Any], value: list[Any], path: str) -> Iterator[str]:
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        if len(value) < least or (most is not None and len(value) > most):
            wanted = (
                f"{least}" if least == most else f"{least} to {'any' if most is None else most}"
            )
            yield f"{_at(path)}expected {wanted} items, got {len(value)}"
        first = schema.get("prefixItems", [])
        for index, each in enumerate(value):
            wanted_item = first[index] if index < len(first) else schema.get("items")
            yield from self.check(wanted_item, each, f"{path}[{index}]")


def _name_of(schema: object) -> str:
    """What a Python programmer calls it."""
    if not isinstance(schema, Mapping):
        return "anything"
    kind = schema.get("type")
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]].__name__
    if kind in ("array", "object", "null"):
        return str(kind)
    return _KINDS[kind].__name__ if kind in _KINDS else "something else"


def _plainly_fits(schema: Mapping[str, Any], value: object) -> bool:
    """Does it fit as far as can be seen without msgspec, whose import takes its time?"""
    limited = schema.get("format") in _FORMATS or any(key in schema for key in _BOUNDS)
    return not limited and _fits(schema.get("type"), value)


def _misfits(schema: Mapping[str, Any], value: object, path: str) -> Iterator[str]:
    """What the one who will convert it finds wrong with a value, in the same words."""
    from .signature.conversion import faults

    kind: Any = _FORMATS.get(schema.get("format")) or _KINDS.get(schema.get("type"))
    if kind is None:
        return
    bounds = {ours: schema[key] for key, ours in _BOUNDS.items() if key in schema}
    if bounds:
        from msgspec import Meta

        kind = Annotated[kind, Meta(**bounds)]
    yield from faults(value, kind, path)


def _fits(kind: object, value: object) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case "null":
            return value is None
    return True


def _same(value: object, allowed: object) -> bool:
    return type(value) is type(allowed) and value == allowed


def _told(value: object) -> str:
    from .signature.conversion import shown

    return shown(value)


def _at(path: str) -> str:
    return f"{path}: " if path else ""


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
