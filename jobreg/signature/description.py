"""What a job's *hello* tells of its parameters: the signature as text and as JSON Schema."""

from __future__ import annotations

import functools
import inspect
import json
from typing import Any

from ..legible import REDACTED
from . import Parameter, Signature
from .binding import NOTHING, Binder

MAX_SCHEMA = 256 * 1024
"""Bytes of schema above which a job is told without one."""
MAX_TEXT = 200
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def describe(binder: Binder) -> Signature:
    """Everything that can be told of a function's parameters and result.

    Example:
        >>> from jobreg.signature.description import describe
        >>> from jobreg.signature.reading import read
        >>> def greet(name: str, times: int = 1) -> str: ...
        >>> str(describe(read(greet, "hello.greet")))
        '(name: str, times: int = 1) -> str'
    """
    findings = list(binder.findings)
    schema, result_schema = _schemas(binder, findings)
    if len(schema.encode()) + len(result_schema.encode()) > MAX_SCHEMA:
        findings.append(f"its schema is over {MAX_SCHEMA:,} bytes, and is left out")
        schema = result_schema = "{}"
    return Signature(
        parameters=tuple(_parameter(binder, each) for each in binder.takes.values()),
        extra=_extra(binder),
        returns=_annotation(binder.returns),
        schema=schema,
        result_schema=result_schema,
        findings=tuple(findings),
    )


def takes(binder: Binder) -> str:
    """The parameters as people read them: ``(account: int, csv: Path = None)``."""
    parameters = tuple(_parameter(binder, each) for each in binder.takes.values())
    return str(Signature(parameters=parameters, extra=_extra(binder)))


def summary(function: object) -> str:
    """The first line of a function's docstring; empty where it has none."""
    # A partial has the docstring of its class, unless it was given one.
    while isinstance(function, functools.partial) and "__doc__" not in vars(function):
        function = function.func
    text = getattr(function, "__doc__", None)
    lines = text.strip().splitlines() if isinstance(text, str) else []
    return lines[0].strip()[:MAX_TEXT] if lines else ""


def _parameter(binder: Binder, each: inspect.Parameter) -> Parameter:
    required = each.default is NOTHING
    return Parameter(
        name=each.name,
        annotation=_annotation(each.annotation),
        default=None if required else _told_default(binder, each),
        required=required,
        enforced=each.name in binder.hints,
    )


def _extra(binder: Binder) -> Parameter | None:
    if binder.extra is None:
        return None
    annotation = _annotation(binder.extra.annotation)
    enforced = binder.extra_hint is not NOTHING
    return Parameter(name=binder.extra.name, annotation=annotation, enforced=enforced)


def _annotation(annotation: Any) -> str | None:
    if annotation is NOTHING:
        return None
    if isinstance(annotation, str):
        return annotation[:MAX_TEXT]
    from .conversion import name_of

    return name_of(annotation)


def _told_default(binder: Binder, each: inspect.Parameter) -> str:
    return REDACTED if each.name in binder.hides else _repr(each.default)


def _repr(default: object) -> str:
    try:
        return repr(default)[:MAX_TEXT]
    except Exception as error:  # a job's own __repr__ may raise anything
        return f"<its repr raised {type(error).__name__}>"


def _schemas(binder: Binder, findings: list[str]) -> tuple[str, str]:
    """The schemas of the parameters and of the result, as JSON text."""
    hints = dict(binder.hints)
    if binder.extra_hint is not NOTHING:
        hints[_rest(binder)] = binder.extra_hint
    made, shared = _made(hints, findings)
    schema: dict[str, Any] = {
        "$schema": _DRAFT,
        "type": "object",
        "properties": {
            name: made.get(name, {}) | ({} if name in binder.hides else _default(each))
            for name, each in binder.takes.items()
        },
        "required": [name for name in binder.takes if name in binder.required],
        "additionalProperties": binder.extra is not None and made.get(_rest(binder), {}),
    }
    result = {} if binder.result_hint is NOTHING else {"its result": binder.result_hint}
    given_back, its_shared = _made(result, findings)
    return _text(schema, shared), _text(
        {"$schema": _DRAFT, **given_back.get("its result", {})}, its_shared
    )


def _rest(binder: Binder) -> str:
    return f"**{binder.extra.name}" if binder.extra else ""


def _made(hints: dict[str, Any], findings: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    if not hints:
        return {}, {}
    from .schema import schemas

    made, shared, odd = schemas(hints)
    findings += [f"{name}: no schema can be made of it: {why}" for name, why in odd.items()]
    return made, shared


def _default(each: inspect.Parameter) -> dict[str, Any]:
    """The default for the schema, where JSON can hold it and it is short."""
    from .encoding import plain

    if each.default is NOTHING:
        return {}
    try:
        value = plain(each.default, each.name)
    except Exception:  # the classes of a job have code of their own, which may raise
        return {}
    return {"default": value} if len(json.dumps(value)) <= MAX_TEXT else {}


def _text(schema: dict[str, Any], shared: dict[str, Any]) -> str:
    whole = {**schema, "$defs": shared} if shared else schema
    return json.dumps(whole, ensure_ascii=True, separators=(",", ":"))
