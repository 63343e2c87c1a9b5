"""The filter bar: qualifiers such as ``state:failed job:reports.*``, read and written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from attrs import field, frozen

from ...errors import BadInput
from ...request import checked_state

QUALIFIERS: dict[str, str] = {
    "state": "state:failed, state:queued,running",
    "job": "job:reports.render, job:reports.*",
    "provider": "provider:acme-reports, provider:acme-reports==1.0",
    "reason": "reason:timeout",
    "queue": "queue:mail",
    "tag": "tag:nightly (several: runs that have all)",
    "since": "since:2h, since:2026-01-31T12:00:00Z",
    "until": "until:30m, until:2026-01-31T12:00:00Z",
    "key": 'key:"invoice 42"',
    "params": "params.account.id:42 (wants job or since too)",
    "id": "id:01a20a6e (its first 8 characters or more; stands alone)",
}
"""Each qualifier, and what it looks like."""

LONGEST = 2000
_MANY = ("state", "tag", "id")
_WORD = re.compile(r'(?:"(?:\\.|[^"\\])*"|[^\s"])+')
_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"')


@frozen(kw_only=True)
class Wanted:
    """Which runs are meant: filters as the REST interface takes them, or ids."""

    text: str = ""
    given: Mapping[str, Any] = field(factory=dict)
    ids: tuple[str, ...] = ()

    @property
    def states(self) -> tuple[str, ...]:
        """The states that are asked for."""
        return tuple(self.given.get("state", ()))

    @property
    def body(self) -> dict[str, Any]:
        """What :func:`jobreg.web.runs.changed` takes."""
        if self.ids:
            return {"run_ids": list(self.ids)}
        return dict(self.given) or {"all": True}


def read(text: str) -> Wanted:
    """What is written in the bar.

    Raises:
        BadInput: a qualifier is unknown, or what it says cannot be used.
    """
    if len(text) > LONGEST:
        raise BadInput(f"The filter has {len(text):,} characters; at most {LONGEST:,} are read.")
    found: dict[str, Any] = {}
    for name, value in _pairs(text):
        _take(found, name, value)
    ids = tuple(found.pop("id", ()))
    if ids and found:
        raise BadInput("id: it stands alone; take the other qualifiers away.")
    if "*" in found.get("job_name", "").removesuffix(".*"):
        raise BadInput("job: a star stands at the end alone, after a dot, as in job:reports.*")
    if "state" in found:
        found["state"] = list(dict.fromkeys(str(checked_state(each)) for each in found["state"]))
    return Wanted(text=text, given=found, ids=ids)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Each qualifier with the text after its colon; quotation marks stay."""
    rest = _WORD.sub(" ", text).strip()
    if rest:
        raise BadInput(
            'A quotation mark has no other. Write "two words" so, and one in them as \\".'
        )
    for word in _WORD.findall(text):
        name, colon, value = word.partition(":")
        if not colon or not name:
            raise BadInput(
                f"{_plain(word)[:80]!r} is no qualifier. Write what it is as well: "
                f"job:{_plain(word)[:80]}, say."
            )
        if not value:
            raise _empty(name)
        yield name, value


def _take(found: dict[str, Any], name: str, value: str) -> None:
    """Add what one qualifier says to what is found so far."""
    if name.startswith("params."):
        path, params = name.removeprefix("params."), found.setdefault("params", {})
        if not path or path in params:
            raise BadInput(f"{name[:80]}: give each parameter one name, once.")
        params[path] = _value(value)
        return
    if name not in QUALIFIERS or name == "params":
        raise BadInput(_unknown(name))
    kept_as = {"job": "job_name", "key": "unique_key", "tag": "tags"}.get(name, name)
    if name in _MANY:
        many = [_plain(value)] if name == "tag" else _plain(value).split(",")
        if not any(many):
            raise _empty(name)
        found.setdefault(kept_as, []).extend(filter(None, many))
        return
    if kept_as in found:
        raise BadInput(f"{name}: it is there twice; one is taken.")
    said, equals, version = _plain(value), "", ""
    if name == "provider":
        said, equals, version = said.partition("==")
    if not said or (equals and not version):
        raise _empty(name)
    found[kept_as] = said
    if version:
        found["version"] = version


def _empty(name: str) -> BadInput:
    """What is said of a qualifier without a value, which must never be taken for all runs."""
    return BadInput(f"{name[:80]}: nothing is written after it, as in {_example(name)}.")


def _unknown(name: str) -> str:
    close = get_close_matches(name[:128], QUALIFIERS, n=1)
    if name == "params":
        return f"params: say which one, as in {QUALIFIERS['params']}."
    hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(QUALIFIERS)}."
    return f"There is no qualifier {name[:80]!r}. {hint}"


def _example(name: str) -> str:
    known = name if name in QUALIFIERS else "params" if name.startswith("params.") else "job"
    return QUALIFIERS[known].partition(",")[0].partition(" (")[0]


def _plain(value: str) -> str:
    """A value without its quotation marks."""
    return _QUOTED.sub(lambda found: re.sub(r"\\(.)", r"\1", found[1]), value)


def _value(text: str) -> Any:
    """The value of a parameter: JSON if it is some, else a text; what is quoted is a text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _plain(text)


def words(text: str) -> list[str]:
    """The qualifiers, each as it is written."""
    return _WORD.findall(text)


def written(given: Mapping[str, str | Sequence[str] | None]) -> str:
    """Qualifiers as they are written in the bar.

    Example:
        >>> written({"state": "failed", "job": "a.b", "key": "two words"})
        'state:failed job:a.b key:"two words"'
    """
    return " ".join(f"{name}:{_quoted(value)}" for name, value in given.items() if value)


def _quoted(value: str | Sequence[str]) -> str:
    text = value if isinstance(value, str) else ",".join(value)
    if re.fullmatch(r'[^\s"]+', text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
