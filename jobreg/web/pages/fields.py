"""One parameter of a job in a form: the input that its JSON schema calls for, and what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import evolve, frozen

from ... import codec
from ...errors import BadInput
from ...judge import resolved
from ...legible import HARMFUL
from .rendering import json_text, one_line

PREFIX = "param."

_INPUTS = {
    "date": "date", "date-time": "datetime-local", "time-of-day": "time", "partial-time": "time",
}  # fmt: skip
_MINUTES = re.compile(r"(?:.*T)?\d\d:\d\d")
"""A time as browsers send it where its seconds are 0."""
_MOST_CHOICES = 100
_LEFT_OUT = ""


@frozen(kw_only=True)
class Field:
    """One parameter in a form.

    ``kind`` is that of its input (``text number date … select json``); ``choices`` pairs of what
    is sent and what is shown; ``value`` what stands in it; ``unlike`` says what it is not.
    """

    name: str
    kind: str
    required: bool = False
    nullable: bool = False
    type: str = ""
    title: str = ""
    help: str = ""
    default: str | None = None
    choices: tuple[tuple[str, str], ...] = ()
    bounds: Mapping[str, Any] = {}
    value: str = _LEFT_OUT
    fault: str = ""

    @property
    def key(self) -> str:
        """The name under which a form sends it."""
        return PREFIX + self.name

    def filled(self, value: object) -> Field | None:
        """The same with a value in it; None where its input could not hold that."""
        text = self._written(value)
        if text is None or (text == _LEFT_OUT and value is not None):
            return None
        if self.kind not in ("json", "select") and HARMFUL.search(text):
            return None
        try:
            same = self.read(text)
        except BadInput:
            return None
        return evolve(self, value=text) if same == {self.name: value} else None

    def _written(self, value: object) -> str | None:
        if self.kind in ("select", "json"):
            text = json_text(value) if self.kind == "json" else json.dumps(value)
            fits = self.kind == "json" or text in dict(self.choices)
            return text if fits else None
        if value is None:
            return _LEFT_OUT
        if self.kind == "datetime-local":
            return _for_input(value)
        if self.type in ("integer", "number"):
            return json.dumps(value)
        return value if isinstance(value, str) else None

    def read(self, text: str) -> dict[str, Any]:
        """What its text says, by its name; nothing where it is left out.

        Raises:
            BadInput: it says nothing of this kind.
        """
        if text.strip() == _LEFT_OUT:
            return {self.name: None} if self.required and self.nullable else {}
        if self.kind in ("json", "select"):
            return {self.name: read_json(text, self.name)}
        if self.type in ("integer", "number"):
            return {self.name: _number(text.strip(), self.type, self.name)}
        if self.kind in ("time", "datetime-local") and _MINUTES.fullmatch(text):
            text = f"{text}:00"
        if self.kind == "datetime-local":
            return {self.name: text if _has_zone(text) else f"{text}Z"}
        return {self.name: text}


def read_json(text: str, name: str) -> Any:
    """A JSON text in a field. Raises BadInput where it is none."""
    try:
        return codec.read_json(text)
    except BadInput as error:
        raise BadInput(f"{name}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"{name}: it is not JSON ({error}). A text stands in quotation marks."
        ) from None


def _number(text: str, kind: str, name: str) -> Any:
    try:
        value = read_json(text, name)
    except BadInput:
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput(f"{name}: {text[:80]!r} is not a number.")
    if kind == "integer" and not isinstance(value, int):
        raise BadInput(f"{name}: {text[:80]!r} is not a whole number.")
    return value


def _has_zone(text: str) -> bool:
    return text[-1] in "Zz" or "+" in text[10:] or "-" in text[10:]


def _for_input(value: object) -> str | None:
    """A time with its zone as an input takes it: in UTC, without."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found.astimezone(UTC).isoformat().removesuffix("+00:00") if found.tzinfo else None


def fields(schema: Mapping[str, Any] | None) -> list[Field]:
    """A field for each property that the schema names, those that are required first."""
    properties = _properties(schema)
    required = (schema or {}).get("required", ())
    definitions = (schema or {}).get("$defs", {})
    made = [
        _field(name, each, name in required, definitions)
        for name, each in properties.items()
        if isinstance(name, str) and name.isprintable()
    ]
    return sorted(made, key=lambda field: not field.required)


def _properties(schema: Mapping[str, Any] | None) -> Mapping[str, Any]:
    found = (schema or {}).get("properties")
    return found if isinstance(found, Mapping) else {}


def _field(name: str, schema: Any, required: bool, definitions: Mapping[str, Any]) -> Field:
    own = schema if isinstance(schema, Mapping) else {}
    plain, nullable = _without_null(own, definitions)
    told = {**plain, **{key: own[key] for key in ("title", "description", "default") if key in own}}
    default = None
    if "default" in told and not required:
        default = one_line(json.dumps(told["default"], ensure_ascii=False), 60)
    field = Field(
        name=name,
        kind="json",
        required=required,
        nullable=nullable,
        title=one_line(told.get("title", ""), 80),
        help=one_line(told.get("description", ""), 500),
        default=default,
        type=_type_of(plain),
    )
    choices = _choices(plain)
    if choices:
        return evolve(field, kind="select", choices=choices)
    return _simple(field, plain)


def _simple(field: Field, plain: Mapping[str, Any]) -> Field:
    """The field with the input that fits its type, where one does."""
    match plain.get("type"):
        case "boolean":
            return evolve(field, kind="select", choices=(("true", "true"), ("false", "false")))
        case "integer" | "number" as kind:
            step = 1 if kind == "integer" else "any"
            limits = {"min": plain.get("minimum"), "max": plain.get("maximum"), "step": step}
            bounds = {key: value for key, value in limits.items() if value is not None}
            return evolve(field, kind="number", bounds=bounds)
        case "string":
            kind = _INPUTS.get(plain.get("format", ""), "text")
            bounds = {"step": "any"} if kind in ("time", "datetime-local") else {}
            if kind == "text" and isinstance(plain.get("maxLength"), int):
                bounds = {"maxlength": plain["maxLength"]}
            return evolve(field, kind=kind, bounds=bounds)
    return field


def _without_null(
    schema: Mapping[str, Any], definitions: Mapping[str, Any]
) -> tuple[Mapping[str, Any], bool]:
    """What a schema is but for null, its references followed; and whether it takes null."""
    schema = _resolved(schema, definitions)
    kinds = schema.get("type")
    if isinstance(kinds, list) and "null" in kinds and len(kinds) == 2:
        (kind,) = (each for each in kinds if each != "null")
        return {**schema, "type": kind}, True
    choices = schema.get("anyOf")
    if not isinstance(choices, Sequence):
        return schema, False
    known = [_resolved(each, definitions) for each in choices]
    rest = [each for each in known if each.get("type") != "null"]
    nullable = len(rest) < len(known)
    return (rest[0] if len(rest) == 1 else {}), nullable


def _resolved(schema: Any, definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    found = resolved(schema, definitions)
    return found if isinstance(found, Mapping) else {}


def _type_of(plain: Mapping[str, Any]) -> str:
    """What a field takes, in a word."""
    if plain.get("format") and plain.get("type") == "string":
        return str(plain["format"])[:40]
    kind = plain.get("type")
    return kind if isinstance(kind, str) else ""


def _choices(plain: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    values = [plain["const"]] if "const" in plain else plain.get("enum")
    if not isinstance(values, list) or not 0 < len(values) <= _MOST_CHOICES:
        return ()
    return tuple(
        (json.dumps(each), each if isinstance(each, str) else json.dumps(each)) for each in values
    )
