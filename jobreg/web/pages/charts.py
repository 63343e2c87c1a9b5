"""Charts as SVG, made on the server: what ended by minute, how long runs waited and took."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import frozen
from markupsafe import Markup

from ...legible import span
from ...lifecycle import State

if TYPE_CHECKING:
    from ...store.activity import Activity

WIDTH, HEIGHT = 600, 120
_STATES = (State.SUCCEEDED, State.FAILED, State.CANCELLED)


_BAR = Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')


@frozen
class Chart:
    """A picture, the largest value in it, and in words what it shows."""

    svg: Markup
    top: str
    told: str


def throughput(activity: Activity) -> Chart:
    """Bars: how many runs ended in each slice of time, by final state, one upon the other."""
    counts = [[each.ended.get(state, 0) for state in _STATES] for each in activity.slices]
    top = max((sum(each) for each in counts), default=0)
    wide = WIDTH / max(1, len(counts))
    parts = []
    for at, each in enumerate(counts):
        under = 0.0
        for state, number in zip(_STATES, each, strict=True):
            if number:
                high = number / top * HEIGHT
                parts.append(
                    Markup(
                        '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
                    ).format(state.value, at * wide + 0.5, HEIGHT - under - high, wide - 1, high)
                )
                under += high
    totals = {state: sum(each.ended.get(state, 0) for each in activity.slices) for state in _STATES}
    told = "In the last hour ended: " + ", ".join(f"{n:,} {state}" for state, n in totals.items())
    return Chart(_svg(told, parts), f"{top:,} a minute", told)


def durations(activity: Activity) -> Chart:
    """Lines: how long the runs that ended in each slice had waited, and how long they took."""
    waits = [each.wait for each in activity.slices]
    times = [each.took for each in activity.slices]
    top = max((each for each in (*waits, *times) if each is not None), default=0.0)
    parts = [_line("wait", waits, top), _line("took", times, top)]
    told = "Mean of the last hour: " + ", ".join(
        f"{name} {_short(_mean(values))}" for name, values in (("waited", waits), ("took", times))
    )
    return Chart(_svg(told, parts), _short(top), told)


def timeline(attempts: Sequence[dict[str, object]]) -> Markup:
    """Bars: the attempts of a run on one line of time, each by how it came out."""
    spans = [
        (
            datetime.fromisoformat(str(each["started_at"] or each["finished_at"])).timestamp(),
            datetime.fromisoformat(str(each["finished_at"])).timestamp(),
            each,
        )
        for each in attempts
    ]
    if not spans:
        return Markup("")
    first, last = min(each[0] for each in spans), max(each[1] for each in spans)
    scale = WIDTH / max(last - first, 0.001)
    parts = []
    for began, ended, each in spans:
        told = f"Attempt {each['attempt']}: {each['outcome']} after {_short(ended - began)}"
        parts.append(
            Markup(
                '<rect class="{}" x="{:.1f}" y="4" width="{:.1f}" height="16" rx="2">'
                "<title>{}</title></rect>"
            ).format(
                each["outcome"], min((began - first) * scale, WIDTH - 3),
                max(3.0, (ended - began) * scale), told,
            )
        )  # fmt: skip
    told = f"{len(spans)} attempt{'' if len(spans) == 1 else 's'} in {_short(last - first)}"
    return _svg(told, parts, 24)


def _line(name: str, values: Sequence[float | None], top: float) -> Markup:
    """A line through what is known; a dot for each, so that one alone can be seen."""
    step = WIDTH / max(1, len(values))
    points = [
        (at * step + step / 2, HEIGHT - (value / top if top else 0.0) * (HEIGHT - 4) - 2)
        for at, value in enumerate(values)
        if value is not None
    ]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = Markup("").join(
        Markup('<path class="{}" d="M{:.1f} {:.1f}h0"/>').format(name, x, y) for x, y in points
    )
    return Markup('<polyline class="{}" points="{}"/>{}').format(name, drawn, dots)


def _svg(told: str, parts: Sequence[Markup], height: int = HEIGHT) -> Markup:
    return Markup(
        '<svg class="chart" role="img" aria-label="{0}" viewBox="0 0 {1} {2}" '
        'preserveAspectRatio="none"><title>{0}</title>{3}</svg>'
    ).format(told, WIDTH, height, Markup("").join(parts))


def _mean(values: Sequence[float | None]) -> float:
    known = [each for each in values if each is not None]
    return sum(known) / len(known) if known else 0.0


def _short(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 10 else span(seconds)
