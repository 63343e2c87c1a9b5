"""A form made from the JSON schema of a job's parameters, and the parameters read back from it.

Each property that one input can hold has one of its own; what else there is, is written as JSON,
property by property or as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve

from ...errors import BadInput
from ...legible import REDACTED
from .fields import Field, read_json
from .rendering import json_text

REST = "params"
"""The field in which any parameters can be written as one JSON object."""


def filled(
    made: Sequence[Field], params: Mapping[str, Any]
) -> tuple[list[Field], str, tuple[str, ...]]:
    """The fields with a run's parameters in them.

    Returns:
        the fields; what did not fit into any, as JSON; and the names of those whose values are
        hidden, which have to be given again.
    """
    hidden = tuple(name for name, value in params.items() if REDACTED in json.dumps(value))
    rest = {name: value for name, value in params.items() if name not in hidden}
    found = []
    for field in made:
        full = field.filled(rest[field.name]) if field.name in rest else None
        if full is not None:
            del rest[field.name]
        found.append(full or field)
    return found, json_text(rest) if rest else "", hidden


def typed(made: Sequence[Field], form: Mapping[str, str]) -> list[Field]:
    """The fields as they were sent."""
    return [evolve(each, value=form.get(each.key, "")) for each in made]


def read(made: Sequence[Field], form: Mapping[str, str]) -> dict[str, Any]:
    """The parameters that a form says.

    Raises:
        BadInput: some cannot be read; ``faults`` are all of them.
    """
    params: dict[str, Any] = {}
    faults: list[str] = []
    for field in made:
        try:
            params |= field.read(form.get(field.key, ""))
        except BadInput as error:
            faults.append(str(error))
    try:
        params |= _whole(form.get(REST, ""))
    except BadInput as error:
        faults.append(str(error))
    if faults:
        raise BadInput(f"It cannot be submitted so: {'; '.join(faults)}", faults=tuple(faults))
    return params


def _whole(text: str) -> dict[str, Any]:
    value = read_json(text, REST) if text.strip() else {}
    if not isinstance(value, dict):
        raise BadInput(f'{REST}: give a JSON object, such as {{"account": 42}}.')
    return value


def told_at(made: Sequence[Field], faults: Sequence[str]) -> list[Field]:
    """The fields with the faults that are theirs."""
    return [evolve(each, fault="; ".join(_faults_of(each.name, faults))) for each in made]


def _faults_of(name: str, faults: Sequence[str]) -> Iterator[str]:
    for each in faults:
        path = each.partition(":")[0]
        below = path.startswith((f"{name}.", f"{name}["))
        if each == f"missing {name!r}" or (":" in each and (path == name or below)):
            yield each
