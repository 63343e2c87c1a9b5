"""Finds the file and line of a job's function by reading source; imports nothing of it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder

from attrs import frozen

from .scan import JobRef

_LARGEST = 4 * 1024 * 1024


@frozen
class Location:
    """Where a job's function is, as far as reading tells.

    ``found`` is True, False (it is missing: an import would fail), or None where only an import
    can tell: compiled modules, names that other code puts there. ``declared`` is the name in its
    ``@job(name=...)``, where that is written as plain text.
    """

    found: bool | None
    file: str | None = None
    line: int | None = None
    declared: str | None = None


def locate(ref: JobRef, places: Sequence[str] = ()) -> Location:
    """Look for the function of a job, as Python would look for its module.

    ``places`` are folders to look in as well, for a distribution that is not on ``sys.path``.

    Example:
        >>> from jobreg.registry import JobRef
        >>> from jobreg.registry.locate import locate
        >>> where = locate(JobRef("a.job", "json.decoder", "JSONDecoder.decode", "d", "1", "", ""))
        >>> where.found, where.file.endswith("decoder.py"), where.line > 100
        (True, True, True)
    """
    try:
        spec, sure = _spec(ref.module, places)
    except Exception:  # a finder is somebody else's code
        return Location(None)
    if spec is None:
        return Location(False if sure else None)
    file = spec.origin if spec.has_location else None
    tree = _tree(spec)
    if tree is None:
        return Location(None, file)
    holder: ast.Module | ast.ClassDef = tree
    *outer, last = ref.attr.split(".")
    for part in outer:
        inner = _definition(holder.body, part)
        if isinstance(inner, ast.ClassDef):
            holder = inner
        else:  # what an object holds is not written here
            sure = inner is None and not _may_come_otherwise(holder, part)
            return Location(False if sure else None, file, None if inner is None else inner.lineno)
    found = _definition(holder.body, last)
    if found is None:
        return Location(None if _may_come_otherwise(holder, last) else False, file)
    return Location(True, file, found.lineno, _declared(found))


def _spec(module: str, places: Sequence[str]) -> tuple[ModuleSpec | None, bool]:
    """What the import system finds for a module, and whether a miss is sure."""
    path: list[str] | None = None
    spec = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        found = None
        for finder in sys.meta_path:
            found = finder.find_spec(name, path)
            if found is not None:
                break
        if found is None and spec is None and places:
            found = PathFinder.find_spec(name, list(places))
        if found is None:
            # A package may widen its own path when it is imported.
            return None, spec is None or "__path__" not in (_source(spec) or "")
        spec = found
        inner = spec.submodule_search_locations
        path = None if inner is None else list(inner)
        if path is None and name != module:
            return None, True
    return spec, True


def _source(spec: ModuleSpec) -> str | None:
    get_source = getattr(spec.loader, "get_source", None)
    with suppress(Exception):  # not Python, not text, not readable
        source = get_source(spec.name) if get_source else None
        if isinstance(source, str) and len(source) <= _LARGEST:
            return source
    return None


def _tree(spec: ModuleSpec) -> ast.Module | None:
    source = _source(spec)
    if source is None:
        return None
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module or class, those within if, try and with too."""
    for each in body:
        yield each
        if not isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for part in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(each, part, ()))
            for handler in getattr(each, "handlers", ()):
                yield from _statements(handler.body)


def _definition(body: Iterable[ast.stmt], name: str) -> ast.stmt | None:
    """The last statement that gives the name a value."""
    found = None
    for each in _statements(body):
        if name in _given(each):
            found = each
    return found


def _given(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            yield statement.name
        case ast.Import() | ast.ImportFrom():
            for alias in statement.names:
                yield alias.asname or alias.name.partition(".")[0]
        case ast.Assign() | ast.AnnAssign() | ast.For() | ast.With():
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.id


def _may_come_otherwise(holder: ast.Module | ast.ClassDef, name: str) -> bool:
    """May it hold a name that no statement gives: inherited, by a star, by ``__getattr__``?"""
    if isinstance(holder, ast.ClassDef) and (
        holder.bases or holder.keywords or holder.decorator_list
    ):
        return True
    if any({"*", "__getattr__"} & set(_given(each)) for each in _statements(holder.body)):
        return True
    if name.startswith("__") and name.endswith("__"):
        return True  # what Python itself gives modules and classes
    names = (node.id for node in ast.walk(holder) if isinstance(node, ast.Name))
    return any(each in ("globals", "vars", "setattr", "exec") for each in names)


def _declared(found: ast.stmt | None) -> str | None:
    """The ``name`` that a decorator ``job(...)`` or ``jobreg.job(...)`` is given."""
    for each in getattr(found, "decorator_list", ()):
        if not isinstance(each, ast.Call):
            continue
        called = each.func.attr if isinstance(each.func, ast.Attribute) else ""
        called = each.func.id if isinstance(each.func, ast.Name) else called
        for keyword in each.keywords if called == "job" else ():
            value = keyword.value
            if keyword.arg == "name" and isinstance(value, ast.Constant):
                return value.value if isinstance(value.value, str) else None
    return None
