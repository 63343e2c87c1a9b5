"""A form made from the JSON schema of a job's parameters, and the parameters read back from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from ...errors import BadInput
from .visit import Values

PREFIX = "params."
WHOLE = "params"
"""The one field of a job whose parameters are not known: all of them, as JSON."""

_INPUTS = {"date": "date", "datetime": "text", "date-time": "text", "uuid": "text", "path": "text"}


@frozen(kw_only=True)
class Field:
    """One input, of kind ``text``, ``integer``, ``number``, ``date``, ``choice`` or ``json``."""

    name: str
    label: str
    kind: str
    about: str
    required: bool
    choices: tuple[str, ...] = ()
    placeholder: str = ""
    value: str = ""


def fields_of(
    schema: Mapping[str, Any] | None, typed: Values, params: Mapping[str, Any] | None = None
) -> list[Field]:
    """The inputs for a job's parameters.

    Args:
        schema: of the whole object of parameters; None where it is not known.
        typed: what was typed before, which stands in the inputs again.
        params: of a run that is to be submitted again with changes.
    """
    given = params or {}
    if schema is None:
        value = typed.get(WHOLE, (json.dumps(given, ensure_ascii=False) if given else "",))[-1]
        about = "What this job takes is not known yet: give a JSON object."
        return [
            Field(name=WHOLE, label=WHOLE, kind="json", about=about, required=False, value=value)
        ]
    found = []
    for name, part in schema.get("properties", {}).items():
        one = _plain(part, schema)
        kind = _kind(one)
        value = _shown(given[name], kind) if name in given else ""
        found.append(
            Field(
                name=PREFIX + name, label=name, kind=kind, about=_about(one),
                required=name in schema.get("required", ()), choices=_choices(one),
                placeholder="" if one.get("default") is None else _shown(one["default"], kind),
                value=typed.get(PREFIX + name, (value,))[-1],
            )
        )  # fmt: skip
    if schema.get("additionalProperties", False) is not False:
        others = {key: value for key, value in given.items() if key not in schema["properties"]}
        value = json.dumps(others, ensure_ascii=False) if others else ""
        found.append(
            Field(
                name=WHOLE, label="others", kind="json", about="Further parameters: a JSON object.",
                required=False, value=typed.get(WHOLE, (value,))[-1],
            )
        )  # fmt: skip
    return found


def read_params(fields: list[Field]) -> dict[str, Any]:
    """The parameters that were typed into these inputs; an empty one is left out.

    Raises:
        BadInput: some cannot be read; ``faults`` holds each.
    """
    params: dict[str, Any] = {}
    faults = []
    for field in fields:
        if not field.value.strip():
            continue
        try:
            value = _read(field)
        except ValueError as error:
            faults.append(f"{field.label}: {error}")
            continue
        if field.name == WHOLE:
            params |= value
        else:
            params[field.label] = value
    if faults:
        raise BadInput("Some parameters cannot be read.", faults=tuple(faults))
    return params


def _read(field: Field) -> Any:
    text = field.value.strip()
    match field.kind:
        case "integer":
            try:
                return int(text)
            except ValueError:
                raise ValueError(f"{text[:40]!r} is not a whole number") from None
        case "number":
            try:
                return json.loads(text)
            except ValueError:
                raise ValueError(f"{text[:40]!r} is not a number") from None
        case "choice" | "json":
            try:
                value = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"it is not JSON ({error})") from None
            if field.name == WHOLE and not isinstance(value, dict):
                raise ValueError('give a JSON object, such as {"account": 42}')
            return value
    return field.value


def _plain(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part of a schema itself, where it refers to it or also takes null."""
    own = {key: part[key] for key in ("title", "description", "default") if key in part}
    for _ in range(5):
        if "$ref" in part:
            part = schema.get("$defs", {}).get(str(part["$ref"]).rpartition("/")[2], {})
        choices = [each for each in part.get("anyOf", ()) if each.get("type") != "null"]
        if len(choices) == 1:
            (part,) = choices
    return {**part, **own}


def _kind(part: Mapping[str, Any]) -> str:
    if _choices(part):
        return "choice"
    kind = part.get("type")
    if kind in ("integer", "number"):
        return str(kind)
    if kind == "string" and "contentEncoding" not in part:
        return _INPUTS.get(str(part.get("format")), "text")
    return "json"


def _choices(part: Mapping[str, Any]) -> tuple[str, ...]:
    """What may be chosen, each as JSON."""
    if part.get("type") == "boolean":
        return "true", "false"
    return tuple(json.dumps(each, ensure_ascii=False) for each in part.get("enum", ()))


def _about(part: Mapping[str, Any]) -> str:
    return ". ".join(_words(part))


def _words(part: Mapping[str, Any]) -> Iterator[str]:
    if "description" in part:
        yield str(part["description"]).rstrip(".")
    if part.get("format"):
        yield str(part["format"])
    elif part.get("type") and not _choices(part):
        yield " or ".join(part["type"]) if isinstance(part["type"], list) else str(part["type"])
    for key, told in (("minimum", "at least"), ("maximum", "at most"), ("pattern", "matches")):
        if key in part:
            yield f"{told} {part[key]}"


def _shown(value: object, kind: str) -> str:
    if isinstance(value, str) and kind not in ("choice", "json"):
        return value
    return json.dumps(value, ensure_ascii=False)
