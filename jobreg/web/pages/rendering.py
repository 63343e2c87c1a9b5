"""Templates: autoescaped, and whatever they show harmless to the eye as well."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ... import clock
from ...legible import HARMFUL, amount, safe_lines, span

SHOWN_OF_A_VALUE = 60_000
"""Characters of a parameter, result or traceback that a page shows."""

MARKS = {
    "scheduled": "◷", "queued": "○", "running": "▶", "succeeded": "✓", "failed": "✕",
    "cancelled": "⊘", "error": "✕", "crashed": "✕", "timeout": "✕", "lost": "?", "released": "↺",
    "snoozed": "◷", "live": "●", "draining": "◐", "degraded": "!", "dead": "✕", "ok": "✓",
    "alias": "=", "conflict": "!", "invalid": "✕", "denied": "⊘", "refused": "⊘",
    "elsewhere": "→", "paused": "❚❚",
}  # fmt: skip
"""A sign for each state, beside its name: colour alone tells nothing to many."""


def harmless(value: Any) -> Any:
    """What a template is about to show: control and direction characters are written out.

    Line feeds and tabs stay. What is markup already was shown by a template.
    """
    if value is None:
        return ""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return safe_lines(value)


def one_line(value: object, most: int = 160) -> str:
    """The beginning of a text, on one line."""
    text = str(value)[: most * 2].strip().partition("\n")[0]
    return text if len(text) <= most else f"{text[: most - 1]}…"


def pretty(value: object) -> str:
    """A value as JSON, indented; a long one is cut, and says so."""
    return cut(json.dumps(value, indent=2, ensure_ascii=False))


def cut(text: str) -> str:
    """The first sixty thousand characters of a text, and that there are more."""
    if len(text) <= SHOWN_OF_A_VALUE:
        return text
    return f"{text[:SHOWN_OF_A_VALUE]}\n… cut here; {len(text):,} characters in all"


def json_text(value: object) -> str:
    """A value as JSON to be written on in a form: harmful characters stand in it as escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    plain = HARMFUL.search(text.replace("\n", "")) is None
    return text if plain else json.dumps(value, indent=2)


def json_line(value: object) -> str:
    """A value as JSON on one line; a long one is cut."""
    return one_line(json.dumps(value, ensure_ascii=False), 400)


def took(seconds: float | None) -> str:
    """How long something took, for people.

    Example:
        >>> took(0.0421), took(3.2), took(75), took(7325)
        ('42 ms', '3.2 s', '1 min 15 s', '2 h 2 min')
    """
    if seconds is None:
        return ""
    if 0 < seconds < 0.001:
        return "< 1 ms"
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 172_800:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return span(whole)


def moment(text: str | None) -> datetime | None:
    """A time as JSON has it, to reckon with."""
    return None if text is None else datetime.fromisoformat(text)


def between(begun: str | None, ended: str | None) -> float | None:
    """Seconds from one time to another, or until now; None where it has not begun."""
    if begun is None:
        return None
    start, end = datetime.fromisoformat(begun), moment(ended) or clock.now()
    return max(0.0, (end - start).total_seconds())


def utc(text: str) -> str:
    """A time as JSON has it, to the second, for people."""
    return f"{text[:19].replace('T', ' ')} UTC"


@cache
def environment() -> Environment:
    """The templates of this package."""
    made = Environment(
        loader=PackageLoader("jobreg.web"),
        autoescape=True,
        finalize=harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "one_line": one_line, "pretty": pretty, "cut": cut, "took": took, "span": span, "utc": utc,
        "json_text": json_text, "json_line": json_line, "amount": amount,
    }  # fmt: skip
    made.globals |= {"marks": MARKS, "between": between}
    return made


def page(template: str, context: Mapping[str, Any]) -> str:
    """A whole page."""
    return environment().get_template(template).render(context)


def part(template: str, name: str, *given: Any) -> str:
    """One macro of a template by itself: a page's own part, made anew while it is open."""
    module: Any = environment().get_template(template).module
    return str(getattr(module, name)(*given))
