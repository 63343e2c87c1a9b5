"""What is not shown of a run: parameters by name, and all that a pattern matches."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from .legible import REDACTED
from .lifecycle import LogChunk, RunRecord

if TYPE_CHECKING:
    from .catalogue import Entry

SHORTEST = 4
"""Characters that a hidden value must have to be looked for in texts: a shorter one is a word."""


def _pattern(text: str | None) -> re.Pattern[str] | None:
    return None if text is None else re.compile(text)


@frozen
class Redaction:
    """Hides secrets of one run: made of its parameters, ``names`` of them, and a pattern.

    A parameter that is named, or whose name (at any depth) the whole pattern matches, is replaced
    where parameters are shown; what its value says is replaced wherever it stands in a text; and
    so is whatever the pattern matches.

    Example:
        >>> hidden = Redaction({"login": {"key": "s3cret"}, "n": 1}, ["login"])
        >>> hidden.shown()
        {'login': '[redacted]', 'n': 1}
        >>> hidden.text("cannot log in with s3cret")
        'cannot log in with [redacted]'
    """

    params: dict[str, Any]
    names: Collection[str] = ()
    pattern: re.Pattern[str] | None = field(default=None, converter=_pattern)
    _secrets: re.Pattern[str] | None = field(init=False)

    @_secrets.default
    def _find_secrets(self) -> re.Pattern[str] | None:
        if not self.names and self.pattern is None:
            return None
        hidden: set[str] = set()
        self._walk(self.params, self.names, hidden)
        # The longest first: one value may begin another.
        ordered = sorted(hidden, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, ordered))) if ordered else None

    @classmethod
    def of(cls, params: str, names: Collection[str], pattern: str | None) -> Redaction:
        """Of a run's parameters as JSON, which are read only where there is something to hide."""
        if not names and pattern is None:
            return NOTHING
        return cls(json.loads(params), names, pattern)

    def text(self, text: str) -> str:
        """A text without the secrets of this run."""
        for each in (self._secrets, self.pattern):
            if each is not None:
                text = each.sub(_mask, text)
        return text

    def shown(self) -> dict[str, Any]:
        """The parameters as they may be shown."""
        shown: dict[str, Any] = self._walk(self.params, self.names, set())
        return shown

    def chunks(self, chunks: tuple[LogChunk, ...]) -> tuple[LogChunk, ...]:
        """What a run has printed or logged, without its secrets."""
        if self._secrets is None and self.pattern is None:
            return chunks
        return tuple(evolve(each, text=self.text(each.text)) for each in chunks)

    def _walk(self, value: Any, names: Collection[str], hidden: set[str]) -> Any:
        """The value as it may be shown; what was hidden of it is added to ``hidden``."""
        if isinstance(value, dict):
            shown = {}
            for name, each in value.items():
                if name in names or (self.pattern is not None and self.pattern.fullmatch(name)):
                    hidden.update(_as_texts(each))
                    shown[name] = REDACTED
                else:
                    shown[name] = self._walk(each, (), hidden)
            return shown
        if isinstance(value, list):
            return [self._walk(each, (), hidden) for each in value]
        if isinstance(value, str) and self.pattern is not None:
            return self.pattern.sub(_mask, value)
        return value


NOTHING = Redaction({})
"""Hides nothing."""


def hidden_of(versions: Iterable[Entry], params: str, pattern: str | None) -> Redaction:
    """What to hide of parameters (JSON) of a job: what any of these versions of it hides."""
    names = {name for each in versions for name in (each.options or {}).get("redact", ())}
    return Redaction.of(params, names, pattern)


def all_shown(
    runs: Iterable[RunRecord], known: Iterable[Entry], pattern: str | None
) -> list[RunRecord]:
    """Runs as they may be shown, by what is known of their jobs: what any version hides."""
    hidden: dict[str, set[str]] = {}
    for entry in known:
        names = (entry.options or {}).get("redact", ())
        hidden.setdefault(entry.job_name, set()).update(names)
    return [shown(run, hidden.get(run.job_name, ()), pattern) for run in runs]


def shown(run: RunRecord, names: Collection[str], pattern: str | None) -> RunRecord:
    """A run as it may be shown: its parameters, and the unique key that was made of them."""
    if not names and pattern is None:
        return run
    hidden, key = Redaction.of(run.params, names, pattern), run.unique_key
    if key is not None:
        try:
            parts = json.loads(key)
        except ValueError:
            parts = None
        of_parts = Redaction(parts, names, pattern).shown() if isinstance(parts, dict) else None
        key = hidden.text(key) if of_parts is None else json.dumps(of_parts)
    return evolve(run, params=json.dumps(hidden.shown()), unique_key=key)


def _mask(found: re.Match[str]) -> str:
    return REDACTED if found[0] else ""  # a pattern may match between two characters


def _as_texts(value: Any) -> Iterator[str]:
    """What a hidden value may look like in a text: as it is, quoted by Python, quoted in JSON."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _as_texts(each)
    elif isinstance(value, str):
        for part in {value, *value.splitlines()}:  # a log has its lines one by one
            quoted = (repr(part), json.dumps(part), json.dumps(part, ensure_ascii=False))
            looks = (part, *(each[1:-1] for each in quoted))
            yield from (each for each in looks if len(each.strip()) >= SHORTEST)
    elif value is not None and not isinstance(value, bool) and len(str(value)) >= SHORTEST:
        yield str(value)
