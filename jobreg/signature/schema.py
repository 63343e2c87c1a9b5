"""Annotations as JSON Schema, and as much of them back as judging a value by the schema takes.

msgspec writes the schema. What it leaves out, and the conversion insists on, is put in: formats
of times without a zone, ``propertyNames`` of keys that are no plain text, members of an enum in
the order in which they are told. The tag of a struct is not required where only one can be meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from inspect import getattr_static
from pathlib import Path, PurePath
from types import NoneType
from typing import Annotated, Any, Literal, Union
from uuid import UUID

import msgspec
from attrs import frozen
from msgspec import inspect as types

from .conversion import name_of

_FORMATS: dict[object, Any] = {
    "date-time": datetime, "datetime": datetime, "date": date, "time": time, "time-of-day": time,
    "partial-time": time, "duration": timedelta, "uuid": UUID, "decimal": Decimal, "path": Path,
    "double": float,
}  # fmt: skip
_KINDS: dict[object, Any] = {
    "string": str, "integer": int, "number": float, "boolean": bool, "null": NoneType,
    "array": list, "object": dict,
}  # fmt: skip
_ANYTHING = {"$comment": "anything"}
_BOUNDS = {
    "minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of", "minLength": "min_length", "maxLength": "max_length",
    "pattern": "pattern", "minItems": "min_length", "maxItems": "max_length",
    "minProperties": "min_length", "maxProperties": "max_length",
}  # fmt: skip
_KEYS: dict[type, dict[str, str]] = {
    types.UUIDType: {"title": "UUID", "format": "uuid"},
    types.DateType: {"title": "date", "format": "date"},
    types.DateTimeType: {"title": "datetime", "format": "datetime"},
    types.TimeType: {"title": "time", "format": "time-of-day"},
    types.TimeDeltaType: {"title": "timedelta", "format": "duration"},
    types.DecimalType: {"title": "Decimal", "format": "decimal"},
    types.FloatType: {"title": "float", "format": "double"},
    types.BytesType: {"title": "bytes", "contentEncoding": "base64"},
    types.IntType: {"title": "int", "type": "string", "pattern": "^-?(0|[1-9][0-9]*)$"},
}


def schemas(hints: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """JSON Schema (draft 2020-12) of several annotations.

    Returns:
        the schemas by the names given; the definitions they share; and why, where none can be
        made.
    """
    odd: dict[str, str] = {}
    for name, hint in hints.items():
        try:
            _components([hint])
        except Exception as error:  # a default in a class of the job may have no form in JSON
            odd[name] = name_of(error)
    good = {name: hint for name, hint in hints.items() if name not in odd}
    made, shared = _components(list(good.values()))
    return dict(zip(good, made, strict=True)), shared, odd


def annotation(schema: object, resolved: Any = lambda schema: schema) -> Any:
    """An annotation that takes what a schema takes, but for what is within arrays and objects.

    ``resolved`` follows references. Where the schema says what no annotation does, it is Any.

    Example:
        >>> from uuid import UUID
        >>> from jobreg.signature.schema import annotation
        >>> shape = {"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]}
        >>> annotation(shape) == UUID | None
        True
    """
    schema = resolved(schema)
    if not isinstance(schema, Mapping):
        return Any
    if "anyOf" in schema:
        tagged = tags(schema, resolved)
        choices = tuple(
            _struct(tagged[number]) if number in tagged else annotation(each, resolved)
            for number, each in enumerate(schema["anyOf"])
        )
        return Union[choices]  # noqa: UP007
    if "enum" in schema:
        values = tuple(schema["enum"])
        if "title" not in schema:
            return Literal[values]
        return Enum(schema["title"], [(f"member_{n}", each) for n, each in enumerate(values)])
    kind = _FORMATS.get(schema.get("format")) or _kind(schema.get("type"))
    if "contentEncoding" in schema:
        return bytes  # its bounds are those of the text
    if kind is list and _is_tuple(schema):
        items = (Any,) * len(schema.get("prefixItems", ()))
        return tuple[items]  # type: ignore[valid-type]
    bounds = {ours: schema[key] for key, ours in _BOUNDS.items() if key in schema}
    return Annotated[kind, msgspec.Meta(**bounds)] if bounds else kind


@frozen
class Tag:
    """How one of several structs is told from the others: by a text or an integer that it says.

    It is the value of an object's ``field``; without one the first item of an array.
    """

    value: str | int
    field: str | None

    def is_said_by(self, value: Any) -> bool:
        """Is it the tag of this object or array?"""
        said = value.get(self.field) if isinstance(value, dict) else next(iter(value), None)
        return (type(said), said) == (type(self.value), self.value)  # true is not 1


def tags(schema: Mapping[str, Any], resolved: Any = lambda schema: schema) -> dict[int, Tag]:
    """The tags of the structs among the choices of ``anyOf``, by their numbers.

    Empty where they are not told apart by such.
    """
    tagged = schema.get("discriminator")
    field = tagged.get("propertyName") if isinstance(tagged, Mapping) else None
    found: dict[int, Tag] = {}
    for number, each in enumerate(map(resolved, schema["anyOf"])):
        if isinstance(each, Mapping):
            items, fields = each.get("prefixItems"), each.get("properties", {})
            said = fields.get(field) if field is not None else items and items[0]
            values = said.get("enum", []) if isinstance(said, Mapping) else []
            if len(values) == 1 and isinstance(values[0], str | int):
                found[number] = Tag(values[0], field)
    said_by = {each.value for each in found.values()}
    apart = len(said_by) == len(found) > 1 and len(set(map(type, said_by))) == 1
    return found if apart else {}


def _struct(tag: Tag) -> type:
    """What takes all that says this tag; and of what does not tells why, as the job's own would."""
    return msgspec.defstruct(
        "Tagged", (), tag=tag.value, tag_field=tag.field, array_like=tag.field is None
    )


def _is_tuple(schema: Mapping[str, Any]) -> bool:
    """Does an array hold the items that are named, and no others? An empty tuple names none."""
    items = len(schema.get("prefixItems", ()))
    others = schema.get("items", False)
    return others is False and schema.get("minItems") == schema.get("maxItems") == items


def _kind(name: object) -> Any:
    return _KINDS.get(name, Any) if isinstance(name, str) else Any


def _components(hints: list[Any]) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    made, shared = msgspec.json.schema_components(
        hints, schema_hook=_schema, ref_template="#/$defs/{name}"
    )
    completion = _Completion(shared)
    for hint, schema in zip(hints, made, strict=True):
        completion.complete(schema, types.type_info(hint))
    return made, shared


def _schema(kind: type) -> dict[str, Any]:
    if kind is object:
        return _ANYTHING  # an empty schema would be none to msgspec
    return {"type": "string", "format": "path"} if issubclass(kind, PurePath) else {}


class _Completion:
    """Walks a schema beside the types it was made of, and puts in what is enforced as well."""

    def __init__(self, shared: dict[str, Any]) -> None:
        self._shared = shared
        self._seen: set[str] = set()

    def complete(self, schema: Any, info: Any, needs_tag: bool = False) -> None:
        info, name = _bare(info), None
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/$defs/")
            schema = self._shared[name]
        if _is_object(info) and not needs_tag:  # one that is seen may have been one of several
            required = schema.get("required", ())
            schema["required"] = [each for each in required if each != info.tag_field]
        if name in self._seen:
            return
        if name is not None:
            self._seen.add(name)
        self._one(schema, info)
        several = isinstance(info, types.UnionType) and sum(map(_is_object, info.types)) > 1
        for part, its_info in self._parts(schema, info):
            if isinstance(part, dict):
                self.complete(part, its_info, several)

    def _one(self, schema: dict[str, Any], info: Any) -> None:
        match info:
            case types.DateTimeType():
                schema.setdefault("format", "datetime")
            case types.TimeType():
                schema.setdefault("format", "time-of-day")
            case types.CustomType(cls=kind) if kind is object:
                schema.pop("$comment", None)
            case types.DecimalType():
                schema["type"] = ["string", "number"]
            case types.EnumType(cls=kind) if _makes_members(kind):
                del schema["enum"]
                schema["type"] = "string" if _are_texts(kind) else "integer"
            case types.EnumType(cls=kind):
                schema["enum"] = [each.value for each in kind]
            case types.DictType(key_type=key):
                told = _told_of_keys(key)
                if told:
                    schema["propertyNames"] = told

    def _parts(self, schema: dict[str, Any], info: Any) -> Iterator[tuple[Any, Any]]:
        match info:
            case types.CollectionType(item_type=item):
                yield schema.get("items"), item
            case types.TupleType(item_types=items):
                yield from zip(schema.get("prefixItems", ()), items, strict=False)
            case types.DictType(key_type=key, value_type=value):
                if not _told_of_keys(key):
                    yield schema.get("propertyNames"), key
                yield schema.get("additionalProperties"), value
            case types.UnionType(types=choices):
                yield from self._choices(schema, choices)
            case _:
                for index, each in enumerate(getattr(info, "fields", ())):
                    if "properties" in schema:
                        yield schema["properties"].get(each.encode_name), each.type
                    elif "prefixItems" in schema:
                        yield schema["prefixItems"][index], each.type

    def _choices(self, schema: dict[str, Any], choices: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """The members of a union, in msgspec's order: structs behind the others, None last."""
        structs = [each for each in choices if _is_object(each)]
        nothing = [each for each in choices if isinstance(_bare(each), types.NoneType)]
        others = [each for each in choices if each not in structs and each not in nothing]
        parts = list(schema["anyOf"])
        tagged = next((each for each in (schema, *parts) if "discriminator" in each), None)
        if tagged is None:
            yield from zip(parts, [*others, *structs, *nothing], strict=True)
            return
        yield from zip(tagged["anyOf"], structs, strict=True)
        if tagged is not schema:
            yield from zip(parts, others, strict=False)


def _told_of_keys(info: Any) -> dict[str, Any]:
    """What the schema of an object says of keys that are no plain text; empty where they are."""
    match info:
        case types.EnumType(cls=kind) if not _are_texts(kind) and not _makes_members(kind):
            return {"title": kind.__name__, "enum": [str(each.value) for each in kind]}
        case types.LiteralType(values=values) if all(isinstance(each, int) for each in values):
            return {"title": name_of(Literal[values]), "enum": list(map(str, values))}
    return dict(_KEYS.get(type(info), {}))


def _makes_members(kind: type[Enum]) -> bool:
    """Does it take more than its members' values? A Flag does: those of several together."""
    return getattr_static(kind, "_missing_") is not vars(Enum)["_missing_"]


def _are_texts(kind: type[Enum]) -> bool:
    # By all its names: a Flag does not iterate over those of several bits.
    return all(isinstance(each.value, str) for each in kind.__members__.values())


def _is_object(info: Any) -> bool:
    """Is it a struct that is an object in JSON? Its tag is needed where several may be meant."""
    info = _bare(info)
    return isinstance(info, types.StructType) and not info.array_like


def _bare(info: Any) -> Any:
    while isinstance(info, types.Metadata):
        info = info.type
    return info
