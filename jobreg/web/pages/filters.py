"""The filter bar: one line of qualifiers, such as ``state:failed job:reports.*``, read."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from ...errors import BadInput

QUALIFIERS = {
    "state": "its state; several with commas: state:failed,cancelled",
    "job": "its job, or all whose names begin so: job:reports.*",
    "provider": "the distribution that ran it last, with its version: provider:acme-reports==1.0",
    "version": "the version that ran it last",
    "reason": "why it failed or was cancelled: reason:timeout",
    "queue": "its queue",
    "tag": "a tag that it has; several: all of them",
    "key": "its unique key",
    "since": "submitted since: since:2h, or since:2026-01-31T12:00Z",
    "until": "submitted before",
    "params.NAME": "a parameter's value, by its path: params.account.id:42",
    "id": "how its id begins, 8 characters or more",
}
"""What each means."""

_NAMES = {"job": "job_name", "key": "unique_key"}


def read(text: str) -> dict[str, Any]:
    """The filters that a line of qualifiers means, as the REST interface takes them; ``id`` apart.

    Raises:
        BadInput: a word of it is no qualifier, or cannot be read.

    Example:
        >>> read('state:failed job:reports.* provider:acme-reports==1.0')
        {'state': ['failed'], 'job_name': 'reports.*', 'provider': 'acme-reports', 'version': '1.0'}
    """
    try:
        words = shlex.split(text.replace("\\", "\\\\"))
    except ValueError:
        raise BadInput("filter: a quotation mark has no other at its end.") from None
    found: dict[str, Any] = {}
    for word in words:
        name, colon, value = word.partition(":")
        if not colon or not value:
            raise BadInput(f"filter: {word[:80]!r} is no qualifier. {_hint(word)}")
        _add(found, name, value)
    return found


def _add(found: dict[str, Any], name: str, value: str) -> None:
    if name == "state":
        found.setdefault("state", []).extend(value.split(","))
    elif name == "tag":
        found.setdefault("tags", []).append(value)
    elif name.startswith("params.") and name != "params.":
        found.setdefault("params", {})[name.removeprefix("params.")] = _value(value)
    elif name not in QUALIFIERS or name == "params.NAME":
        raise BadInput(f"filter: there is no {name[:40]!r}. {_hint(name)}")
    elif name == "provider" and "==" in value:
        found["provider"], _, found["version"] = value.partition("==")
    elif _NAMES.get(name, name) in found:
        raise BadInput(f"filter: {name} is given twice; only state and tag may be.")
    else:
        found[_NAMES.get(name, name)] = value


def _value(text: str) -> object:
    """JSON where it is some, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _hint(word: str) -> str:
    if re.fullmatch(r"[0-9a-f]{8}[0-9a-f-]*", word):
        return f"Write id:{word}."
    close = get_close_matches(word.partition(":")[0][:40], QUALIFIERS, n=1)
    if close:
        return f"Did you mean {close[0]}:?"
    if re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_*]+)+", word):
        return f"Write job:{word[:128]}."
    return f"There are: {', '.join(QUALIFIERS)}."


def text_of(given: Mapping[str, Any]) -> str:
    """Filters as a line of qualifiers."""
    names = {ours: theirs for theirs, ours in _NAMES.items()}
    return " ".join(f"{names.get(name, name)}:{_quoted(value)}" for name, value in given.items())


def _quoted(value: object) -> str:
    text = str(value)
    return text if re.fullmatch(r"[\w.,*=+:/-]+", text) else shlex.quote(text)
