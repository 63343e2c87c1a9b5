"""Annotations enforced: JSON becomes what they say, or every misfit is named. This is msgspec."""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from itertools import repeat
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Any

import msgspec
from msgspec import inspect as types

from .refusal import below, hidden, told_value

_SHOWN = 60
# Python 3.13 brings ReadOnly.
_OF_FIELDS = (
    typing.Required, typing.NotRequired, getattr(typing, "ReadOnly", typing.Required),
)  # fmt: skip
# Since Python 3.14 its text holds the address of a function, another one in each process.
_FORWARD = re.compile(r"ForwardRef\('(?P<name>[^']*)'[^)]*\)")
_AT = re.compile(r"^(?P<told>.*?)(?: - at (?:`key` in )?`\$(?P<path>.*)`)?$", re.DOTALL)


def why_not(hint: Any) -> str | None:
    """Say why an annotation cannot be enforced; None where it can.

    Example:
        >>> from jobreg.signature.conversion import why_not
        >>> why_not(list[int]), why_not(complex)
        (None, 'complex has no form in JSON')
    """
    try:
        info = types.type_info(hint)
    except Exception as error:  # it may name what is not there, or be no type at all
        return f"{name_of(error)}"
    return next(_strangers(info, set()), None)


def convert(value: Any, hint: Any) -> Any:
    """Turn a JSON value into what an annotation says, strictly: ``"5"`` and ``5.0`` are no int.

    Raises:
        Exception: it does not fit; :func:`faults` says where. Not always a ValidationError, since
            the classes of a job have code of their own.
    """
    return msgspec.convert(value, hint, dec_hook=_decode, str_keys=True)


def faults(value: Any, hint: Any, path: str) -> Iterator[str]:
    """Name every place where a JSON value does not fit an annotation, and how.

    Example:
        >>> from jobreg.signature.conversion import faults
        >>> list(faults([1, "2", None], list[int], "pages"))
        ['pages[1]: expected int, got str "2"', 'pages[2]: expected int, got null']
    """
    try:
        convert(value, hint)
    except Exception as error:
        inner = iter(()) if not isinstance(value, list | dict) else _inner(value, hint, path)
        first = next(inner, None)
        if first is None:
            yield _told(error, value, hint, path)
        else:
            yield first
            yield from inner


def name_of(what: Any) -> str:
    """A type, or an error with what it says, in one short line."""
    if isinstance(what, Exception):
        told = " ".join(hidden(str(what)).split())
        return f"{type(what).__name__}: {told}"[:300] if told else type(what).__name__
    if typing.get_origin(what) in (typing.Union, UnionType):
        return " | ".join(dict.fromkeys(name_of(each) for each in typing.get_args(what)))
    if isinstance(what, type) and not typing.get_args(what):
        return "None" if what is NoneType else what.__name__
    text = _FORWARD.sub(r"\g<name>", str(what))
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text)[:200]


def _decode(kind: type, value: Any) -> Any:
    """Make what msgspec does not know: paths."""
    if issubclass(kind, PurePath):
        if type(value) is not str:
            raise TypeError(f"Expected `{kind.__name__}`, got `{_json_type(value)}`")
        return kind(value)
    return value  # object takes anything


def _strangers(info: Any, seen: set[int]) -> Iterator[str]:
    """What is wrong with the classes within a type that JSON cannot be turned into."""
    if id(info) in seen:
        return
    seen.add(id(info))
    if isinstance(info, types.CustomType):
        if info.cls is not object and not issubclass(info.cls, PurePath):
            yield f"{info.cls.__name__} has no form in JSON"
    elif isinstance(info, types.DictType) and isinstance(info.key_type, types.CustomType):
        yield f"a key of {info.key_type.cls.__name__} has no form in JSON"
    elif isinstance(info, types.DataclassType) and _makes_itself(info):
        yield f"{name_of(info.cls)} is made by its __init__, which would not be called"
    for part in _typed_parts(info):
        yield from _strangers(part, seen)


def _makes_itself(info: types.DataclassType) -> bool:
    """Is a dataclass or attrs class more than its fields make it? msgspec calls no ``__init__``."""
    kind: Any = typing.get_origin(info.cls) or info.cls
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else kind.__attrs_attrs__
    wanted = {each.name for each in info.fields if each.required}
    computed = any(not each.init and each.name in wanted for each in fields)
    written = getattr(kind.__init__, "__code__", None)  # None: object's, or one in C
    own = written is not None and not written.co_filename.startswith("<")
    return computed or own or hasattr(kind, "__pydantic_validator__")


def _typed_parts(info: Any) -> Iterator[Any]:
    for name in getattr(info, "__struct_fields__", ()):
        part = getattr(info, name)
        for each in part if isinstance(part, tuple) else (part,):
            if isinstance(each, types.Type | types.Field):
                yield each


def _inner(value: Any, hint: Any, path: str) -> Iterator[str]:
    """The faults within an array or object, each at its own place."""
    hint = _bare(hint)
    origin, args = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        yield from _of_union(value, args, path)
    elif isinstance(value, list) and args and _is_of_python(origin):
        for index, (item, kind) in enumerate(zip(value, _kinds(origin, args, value), strict=False)):
            yield from faults(item, kind, f"{path}[{index}]")
    elif isinstance(value, dict) and _is_of_python(origin) and issubclass(origin, Mapping) and args:
        for key, item in value.items():
            yield from key_faults(key, args[0], name_of(args[0]), path)
            yield from faults(item, args[1], below(path, key))
    elif isinstance(origin, type) and origin is not NoneType:
        yield from _fields(value, hint, path)


def _of_union(value: Any, choices: tuple[Any, ...], path: str) -> Iterator[str]:
    tags = {each: config for each in choices if (config := _tagged(each, value)) is not None}
    if len(tags) > 1:
        field = str(next(iter(tags.values())).tag_field)  # that of them all
        if isinstance(value, dict) and field not in value:
            yield f"{path}.{field}: missing"
            return
        tag = value[field] if isinstance(value, dict) else next(iter(value), None)
        said = (type(tag), tag)  # true is not 1
        choices = tuple(each for each, its in tags.items() if (type(its.tag), its.tag) == said)
    told = [found for found in (list(_inner(value, each, path)) for each in choices) if found]
    # Of several that could be meant, msgspec knows which one is.
    yield from told[0] if len(told) == 1 else ()


def _tagged(hint: Any, value: Any) -> Any:
    """How a struct is tagged that may be such an object or array; None where none is."""
    kind = _bare(hint)
    config = getattr(typing.get_origin(kind) or kind, "__struct_config__", None)
    fits = config and config.tag is not None and config.array_like == isinstance(value, list)
    return config if fits else None


def _is_of_python(kind: Any) -> bool:
    """Is it a list, a dict, or the like, and no class that has fields and may be generic?"""
    return isinstance(kind, type) and kind.__module__ in ("builtins", "collections.abc")


def key_faults(key: str, hint: Any, name: str, path: str) -> Iterator[str]:
    """Say where the key of an object does not fit the annotation of its keys."""
    if not _fits({key: None}, dict[hint, Any]):
        yield f"{path}: the key {_shown(key).strip()} is no {name}"


def _fits(value: Any, hint: Any) -> bool:
    try:
        convert(value, hint)
    except Exception:
        return False
    return True


def _kinds(origin: Any, args: tuple[Any, ...], value: list[Any]) -> Iterable[Any]:
    """The annotation of each item of an array."""
    if origin is tuple and args[-1] is not Ellipsis:
        return args if len(args) == len(value) else ()
    return repeat(args[0]) if len(args) < 2 or origin is tuple else ()


def _fields(value: Any, hint: Any, path: str) -> Iterator[str]:
    """The faults within an object of a class that has fields; of an array, if those are its."""
    kind = typing.get_origin(hint) or hint
    meant = dict(zip(getattr(kind, "__parameters__", ()), typing.get_args(hint), strict=False))
    try:
        info: Any = types.type_info(hint)
        hints = typing.get_type_hints(kind, include_extras=True)
    except Exception:  # msgspec may find what typing does not; its own words must do
        return
    fields = getattr(info, "fields", ())
    if isinstance(value, list) != (getattr(info, "array_like", False) or issubclass(kind, tuple)):
        return
    if isinstance(value, list):
        values = value[1:] if getattr(info, "tag", None) is not None else value
        value = dict(zip((each.encode_name for each in fields), values, strict=False))
    for each in fields:
        at = f"{path}.{each.encode_name}"
        if each.encode_name in value:
            its = _of_value(hints.get(each.name, Any))  # a collections.namedtuple says none
            yield from faults(value[each.encode_name], _as_meant(its, meant), at)
        elif each.required:
            yield f"{at}: missing"


def _as_meant(hint: Any, meant: Mapping[Any, Any]) -> Any:
    """The annotation of a generic class's field, with what its type variables stand for."""
    if isinstance(hint, typing.TypeVar):
        return meant.get(hint, hint)
    unknown = getattr(hint, "__parameters__", ()) if typing.get_args(hint) else ()
    try:
        return hint[tuple(meant.get(each, each) for each in unknown)] if unknown else hint
    except TypeError:  # variables of other kinds; msgspec's own words must do
        return Any


def _of_value(hint: Any) -> Any:
    """The annotation of a field's value, without what says of the field whether it may be left out.

    msgspec takes that within its class, and refuses it anywhere else.
    """
    origin = typing.get_origin(hint)
    if origin in _OF_FIELDS:
        return _of_value(typing.get_args(hint)[0])
    if origin is typing.Annotated:
        return typing.Annotated[_of_value(hint.__origin__), *hint.__metadata__]
    return hint


def _bare(hint: Any) -> Any:
    """An annotation without what is wrapped around it: Annotated, NewType, type X = ..."""
    while True:
        if typing.get_origin(hint) in (typing.Annotated, typing.Final, *_OF_FIELDS):
            hint = typing.get_args(hint)[0]
        elif hasattr(hint, "__supertype__"):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":
            hint = hint.__value__
        elif type(typing.get_origin(hint)).__name__ == "TypeAliasType":
            hint = typing.get_origin(hint).__value__[typing.get_args(hint)]
        else:
            return hint


def _told(error: Exception, value: Any, hint: Any, path: str) -> str:
    """One fault in one line: where, what was expected, what there is."""
    if not isinstance(error, msgspec.ValidationError):
        return f"{path}: {name_of(error)}"
    found = _AT.match(str(error))
    assert found is not None
    told, deeper = found["told"].replace("`", ""), found["path"]
    if deeper:
        return f"{path}{deeper}: {_low(told)}"
    if told.startswith("Object contains "):
        return f"{path}: {_low(told)}"
    told_value = _shown(value)
    if told.startswith("Expected ") and (", got " in told or isinstance(value, list | dict)):
        return f"{path}: {_low(told)}{told_value}"
    choice = _choice(hint) or _low(told)
    return (
        f"{path}: expected {name_of(_bare(hint))}, got {_json_type(value)}{told_value} ({choice})"
    )


def _choice(hint: Any) -> str | None:
    kind = _bare(hint)
    if isinstance(kind, type) and issubclass(kind, Enum):
        values = ", ".join(json.dumps(each.value, default=str) for each in kind)
        return f"one of {values[:200]}"
    return None


def _low(told: str) -> str:
    """With a small first letter, unless a word of capitals begins it."""
    return told if told[1:2].isupper() else told[:1].lower() + told[1:]


def _shown(value: Any) -> str:
    if value is None or isinstance(value, list | dict):
        return ""
    return f" {told_value(json.dumps(value, ensure_ascii=False), _SHOWN)}"


def _json_type(value: Any) -> str:
    """What msgspec calls the kind of a JSON value."""
    names = {NoneType: "null", list: "array", dict: "object"}
    return names.get(type(value), type(value).__name__)
