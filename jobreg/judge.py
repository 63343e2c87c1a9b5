"""Says what a job's JSON schema finds wrong with parameters, all at once, importing no job.

It knows the part of JSON Schema 2020-12 (json-schema.org/draft/2020-12) that msgspec writes. What
it does not know it lets pass: the version of the job that will run has the last word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from . import codec
from .catalogue import ParamsSchema
from .errors import BadInput
from .lifecycle import Provider, RunRecord

SEEN_WITHIN = timedelta(days=1)
"""A version seen this shortly before the newest may run still: what it takes is not refused."""

_MOST = 20
_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


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
        f"params of {record.job_name!r} ({provider.dist} {provider.version}): "
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
                allowed = ", ".join(map(repr, schema["enum"]))
                yield f"{_at(path)}{_told(value)} is none of {allowed}"
        elif not _fits(schema.get("type"), value):
            yield f"{_at(path)}expected {_KINDS[schema['type']]}, got {_told(value)}"
        elif isinstance(value, dict):
            yield from self._object(schema, value, path)
        elif isinstance(value, list):
            yield from self._list(schema, value, path)
        else:
            yield from _bounds(schema, value, path)

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
            kinds = [_KINDS.get(str(_type(self._resolved(each))), "else") for each in choices]
            yield f"{_at(path)}expected {' or '.join(kinds)}, got {_told(value)}"

    def _object(self, schema: Mapping[str, Any], value: dict[str, Any], path: str) -> Iterator[str]:
        known = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                yield f"missing {_below(path, name)!r}"
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


def _type(schema: object) -> object:
    return schema.get("type") if isinstance(schema, Mapping) else None


def _bounds(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str):
        for key, right in (("minLength", len(value).__ge__), ("maxLength", len(value).__le__)):
            if key in schema and not right(schema[key]):
                yield f"{_at(path)}text of {len(value)} characters breaks {key} {schema[key]}"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        broken = {
            "minimum": value < schema.get("minimum", value),
            "maximum": value > schema.get("maximum", value),
            "exclusiveMinimum": value <= schema.get("exclusiveMinimum", value - 1),
            "exclusiveMaximum": value >= schema.get("exclusiveMaximum", value + 1),
        }
        for key, is_so in broken.items():
            if is_so:
                yield f"{_at(path)}{value} breaks {key} {schema[key]}"


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
    return f"{type(value).__name__} {str(value)[:40]!r}" if value is not None else "null"


def _at(path: str) -> str:
    return f"{path}: " if path else ""


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
