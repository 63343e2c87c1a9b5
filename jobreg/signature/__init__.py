"""What a job takes and gives back, told without importing it: frozen, and JSON by nature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import asdict, frozen

ANY_PARAMS = '{"type":"object"}'
"""The schema of a job that nothing is known of."""


@frozen(kw_only=True)
class Parameter:
    """One parameter of a job, as its function declares it.

    ``annotation`` and ``default`` are texts to be read, the default that of ``repr``; either is
    None where there is none. ``enforced`` is False where the value stays as JSON gave it.
    """

    name: str
    annotation: str | None = None
    default: str | None = None
    required: bool = True
    enforced: bool = False

    def __str__(self) -> str:
        told = self.name if self.annotation is None else f"{self.name}: {self.annotation}"
        if self.required:
            return told
        return f"{told} = {self.default}" if self.annotation else f"{told}={self.default}"


@frozen(kw_only=True)
class Signature:
    """What the installed version of a job takes and gives back.

    ``extra`` is the parameter that takes all other names (``**kwargs``), None where unknown names
    are refused; ``returns`` the annotation of the result. ``schema`` and ``result_schema`` are
    JSON Schema (draft 2020-12) as JSON text. ``findings`` say which annotations are not enforced,
    and why.

    Example:
        >>> from jobreg.signature import Parameter, Signature
        >>> takes = Signature(parameters=(Parameter(name="account", annotation="int"),))
        >>> str(takes)
        '(account: int)'
        >>> Signature.from_wire(takes.to_wire()) == takes
        True
    """

    parameters: tuple[Parameter, ...] = ()
    extra: Parameter | None = None
    returns: str | None = None
    schema: str = ANY_PARAMS
    result_schema: str = "{}"
    findings: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [str(each) for each in self.parameters]
        if self.extra is not None:
            parts.append(f"**{self.extra}")
        told = f"({', '.join(parts)})"
        return told if self.returns is None else f"{told} -> {self.returns}"

    def to_wire(self) -> dict[str, Any]:
        """As JSON, for the pipe and the store."""
        return asdict(self)

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Signature:
        """The inverse of :meth:`to_wire`."""
        extra = wire["extra"]
        changed = {
            "parameters": tuple(Parameter(**each) for each in wire["parameters"]),
            "extra": None if extra is None else Parameter(**extra),
            "findings": tuple(wire["findings"]),
        }
        return cls(**{**wire, **changed})
