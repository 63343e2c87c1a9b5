"""Stored parameters become the arguments of a call, or every misfit is named."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from attrs import field, frozen

from ..errors import ParamsRefused
from .refusal import faults, first_faults, refusal

NOTHING: Any = inspect.Parameter.empty

Arguments = tuple[list[Any], dict[str, Any]]


@frozen(eq=False, kw_only=True)
class Binder:
    """What one function takes, with its annotations compiled; made by :func:`.reading.read`.

    ``hints`` holds the annotations that are enforced, by parameter; those of ``**kwargs`` and of
    the result are ``extra_hint`` and ``result_hint``, :data:`NOTHING` where there is nothing to
    enforce. ``findings`` say which annotations are not enforced, and why. Of the parameters in
    ``hides`` no default is told.
    """

    takes: dict[str, inspect.Parameter]
    extra: inspect.Parameter | None
    returns: Any
    hints: dict[str, Any]
    extra_hint: Any
    result_hint: Any
    findings: tuple[str, ...]
    hides: frozenset[str] = frozenset()
    required: frozenset[str] = field(init=False)
    positional: tuple[inspect.Parameter, ...] = field(init=False)

    @required.default
    def _required(self) -> frozenset[str]:
        return frozenset(name for name, each in self.takes.items() if each.default is NOTHING)

    @positional.default
    def _positional(self) -> tuple[inspect.Parameter, ...]:
        return tuple(each for each in self.takes.values() if each.kind is each.POSITIONAL_ONLY)

    def bind(self, params: dict[str, Any], who: str) -> Arguments:
        """Turn stored parameters into the positional and the named arguments of a call.

        Args:
            params: as JSON gave them.
            who: the job, for the message: ``Job 'reports.render' of acme-reports 2.1.0``.

        Raises:
            ParamsRefused: they do not fit; the message names every fault with its path.
        """
        odd = ""
        if self.required <= params.keys() and (self.extra or params.keys() <= self.takes.keys()):
            try:
                given = self._converted(params)
            except Exception as error:  # the classes of a job have code of their own
                odd = f"{type(error).__name__} while they were converted"
            else:
                return self._arguments(given)
        from .description import takes

        # What raised once may not raise twice, and then is told as it was.
        told = first_faults(self.faults(params))
        raise ParamsRefused(refusal(who, told, f"It takes {takes(self)}.", odd))

    def faults(self, params: dict[str, Any]) -> Iterator[str]:
        """Name every missing and unknown parameter, and every value that does not fit."""
        return faults(self.takes, self.required, self.extra is not None, params, self._misfits)

    def _misfits(self, value: Any, name: str, path: str) -> Iterator[str]:
        hint = self.hints.get(name, NOTHING) if name in self.takes else self.extra_hint
        if hint is not NOTHING:
            from .conversion import faults

            yield from faults(value, hint, path)

    def result_fault(self, value: Any) -> str | None:
        """Say where an encoded result would not be read back as it was; None when it would.

        It is read through the annotation of the result, where that can be enforced.
        """
        if self.result_hint is NOTHING:
            return None
        from .conversion import convert, faults, name_of
        from .encoding import NotPlain, difference, plain

        told = f"the job's own annotation, {name_of(self.returns)}"
        try:
            again = plain(convert(value, self.result_hint), "result")
        except NotPlain as error:
            return f"{error}, once read through {told}"
        except Exception:
            fault = next(faults(value, self.result_hint, "result"), "result")
            return f"{fault}: it cannot be read back through {told}"
        path = difference(value, again, "result")
        return path and f"{path} would not come back as it is through {told}"

    def _converted(self, params: dict[str, Any]) -> dict[str, Any]:
        if not self.hints and self.extra_hint is NOTHING:
            return params
        from .conversion import convert

        given = dict(params)
        for name, value in params.items():
            hint = self.hints.get(name, NOTHING) if name in self.takes else self.extra_hint
            if hint is not NOTHING:
                given[name] = convert(value, hint)
        return given

    def _arguments(self, given: dict[str, Any]) -> Arguments:
        if not self.positional:
            return [], given
        named = dict(given)
        return [named.pop(each.name, each.default) for each in self.positional], named
