"""Templates filled: whatever stands in a page is escaped, and what could mislead is shown."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ...codec import iso_time
from ...legible import safe, safe_lines, span

_SHORT_ID = 13
_LONGEST_LINE = 160
_LONGEST_TEXT = 20_000


@cache
def environment() -> Environment:
    """The templates, with what they call."""
    made = Environment(
        loader=PackageLoader("jobreg.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    made.filters |= {
        "when": when,
        "span": span,
        "line": line,
        "pretty": pretty,
        "short_id": lambda run_id: str(run_id)[:_SHORT_ID],
        "took": took,
        "number": lambda value: f"{value:,}",
    }
    return made


def render(template: str, facts: dict[str, Any]) -> str:
    """Fill a template."""
    return environment().get_template(template).render(facts)


def _harmless(value: Any) -> Any:
    """Show control characters and marks that turn the direction of text, wherever they stand."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return safe_lines(value)
    return "" if value is None else value


def when(moment: datetime | str | None) -> Markup:
    """A moment: UTC, before which the script sets the reader's own time."""
    if moment is None:
        return Markup("")
    text = moment if isinstance(moment, str) else str(iso_time(moment))
    shown = text[:19].replace("T", " ")
    return Markup('<time datetime="{}">{} UTC</time>').format(text, shown)


def line(text: object) -> str:
    """One line of a text, cut where it is long."""
    whole = safe(" ".join(str(text).split()))
    return whole if len(whole) <= _LONGEST_LINE else f"{whole[: _LONGEST_LINE - 1]}…"


def pretty(value: object) -> str:
    """A value as JSON over several lines, cut where it is very long."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if len(text) <= _LONGEST_TEXT:
        return text
    return f"{text[:_LONGEST_TEXT]}\n… cut, {len(text):,} characters in all"


def took(run: dict[str, Any]) -> str:
    """How long a run's last attempt took, or has been running."""
    began, ended = run["started_at"], run["finished_at"]
    if began is None or ended is None:
        return ""
    seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 10 else span(seconds)
