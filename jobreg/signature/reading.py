"""Reads a function: what it takes and gives, and which of its annotations can be enforced."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Union, get_type_hints

from ..errors import JobLoadError
from .binding import NOTHING, Binder


def read(function: Callable[..., object], job_name: str) -> Binder:
    """Read a function once, for all its calls.

    Raises:
        JobLoadError: nobody can tell which parameters it takes.

    Example:
        >>> from jobreg.signature.reading import read
        >>> def greet(name: str, times: int = 1) -> str: ...
        >>> read(greet, "hello.greet").bind({"name": "Ada"}, "Job 'hello.greet'")
        ([], {'name': 'Ada'})
    """
    signature = _signature(function, job_name)
    findings: list[str] = []
    takes, extra = {}, None
    hints: dict[str, Any] = {}
    extra_hint = NOTHING
    for name, each in signature.parameters.items():
        if each.kind is each.VAR_POSITIONAL:
            continue  # parameters have names, so none ever arrives there
        hint = _hint(function, name, each.annotation, findings)
        if each.kind is each.VAR_KEYWORD:
            extra, extra_hint = each, hint
            continue
        takes[name] = each
        if hint is not NOTHING:
            # `x: int = None` has always been another way to write `x: int | None = None`.
            hints[name] = Union[hint, None] if each.default is None else hint  # noqa: UP007
    # Of a class it is the signature of its __init__: `-> None` is not what a call gives.
    is_class = isinstance(_behind(function), type)
    returns = NOTHING if is_class else signature.return_annotation
    result_hint = _hint(function, "its result", returns, findings)
    return Binder(
        takes=takes,
        extra=extra,
        returns=returns,
        hints=hints,
        extra_hint=extra_hint,
        result_hint=result_hint,
        findings=tuple(findings),
    )


def _signature(function: Callable[..., object], job_name: str) -> inspect.Signature:
    try:
        return _as_written(function)
    except Exception as error:
        raise JobLoadError(
            f"Job {job_name!r} does not say which parameters it takes. Its provider should write "
            "it as a function with named parameters."
        ) from error


def _as_written(function: Callable[..., object]) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        try:
            # A name that only type checkers have is one annotation we cannot enforce, no more.
            return inspect.signature(function, annotation_format=Format.FORWARDREF)
        except Exception:  # one raises; as texts each is read for itself
            return inspect.signature(function, annotation_format=Format.STRING)
    return inspect.signature(function)


def _behind(function: object) -> object:
    """What a partial calls in the end."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _hint(function: object, name: str, annotation: Any, findings: list[str]) -> Any:
    """The annotation to enforce; NOTHING where there is none, or none that can be."""
    if _takes_anything(annotation):
        return NOTHING
    from .conversion import name_of, why_not

    try:
        hint = _resolved(function, annotation)
    except Exception as error:
        findings.append(
            f"{name}: annotation {name_of(annotation)} cannot be resolved where it stands, "
            f"so it is not enforced: {name_of(error)}"
        )
        return NOTHING
    if _takes_anything(hint):
        return NOTHING
    odd = why_not(hint)
    if odd is None:
        return hint
    findings.append(f"{name}: annotation {name_of(hint)} is not enforced: {odd}")
    return NOTHING


def _takes_anything(annotation: Any) -> bool:
    """True where there is nothing to convert, and no need of msgspec."""
    # By identity, since an annotation may be any object, with an == of its own.
    return annotation is NOTHING or annotation is Any or annotation is object


def _resolved(function: object, annotation: Any) -> Any:
    """An annotation with its texts read in the module that wrote them."""
    function = _behind(function)
    home = inspect.unwrap(function) if callable(function) else function
    names = getattr(home, "__globals__", None)
    if names is None:  # a class, or an object that can be called
        names = vars(sys.modules[home.__module__])
    own = {each.__name__: each for each in getattr(home, "__type_params__", ())}  # def f[T](x: T)
    holder = SimpleNamespace(__annotations__={"it": annotation})
    return get_type_hints(holder, globalns=names, localns=own, include_extras=True)["it"]
