"""What ended and how long it took, as pictures: positions are reckoned here, drawn by a template.

A picture is SVG within the page, without a style of its own; beside it stands a table that says
the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from ... import clock
from ...legible import amount, span
from ...lifecycle import State
from .rendering import between, moment, took

if TYPE_CHECKING:
    from ...store.activity import Activity, Slice

WIDTH, HEIGHT = 720, 150
"""Of a chart, in units of its own: it is as wide as its place."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 6, 14, 20
_MOST_SPANS = 30
ENDED = (State.SUCCEEDED, State.FAILED, State.CANCELLED)


@frozen(kw_only=True)
class Bar:
    """A rectangle; ``kind`` is how it looks, ``told`` what it says."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    told: str = ""


@frozen(kw_only=True)
class Chart:
    """A picture of some slices of time: bars or lines, with the marks beside them.

    ``marks`` are pairs of a height and what stands there, ``times`` of a place and a time.
    """

    bars: tuple[Bar, ...] = ()
    lines: tuple[tuple[str, str], ...] = ()
    dots: tuple[tuple[str, float, float], ...] = ()
    marks: tuple[tuple[float, str], ...] = ()
    times: tuple[tuple[float, str], ...] = ()
    summary: str = ""
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    width: int = WIDTH
    height: int = HEIGHT


def _nice(value: float) -> float:
    """The next number that is easy to read."""
    size = 1.0
    while size < value:
        for step in (2.0, 5.0, 10.0):
            if size * step >= value:
                return size * step
        size *= 10
    while size / 10 >= value > 0:
        size /= 10
    return size


def _place(at: int, number: int) -> float:
    return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * at / number, 2)


def _height(value: float, most: float) -> float:
    return round((HEIGHT - _TOP - _BOTTOM) * value / most, 2)


def _times(activity: Activity) -> tuple[tuple[float, str], ...]:
    number = len(activity.slices)
    ago = [round(activity.seconds * number * part / 4 / 60) for part in (4, 3, 2, 1)]
    texts = [*(f"{each} min ago" for each in ago), "now"]
    return tuple((_place(at * number // 4, number), each) for at, each in enumerate(texts))


def throughput(activity: Activity) -> Chart:
    """How many runs ended, by final state, slice by slice: bars on top of each other."""
    most = _nice(max((sum(each.ended.values()) for each in activity.slices), default=0) or 1)
    bars: list[Bar] = []
    for at, each in enumerate(activity.slices):
        bars += _stack(each, at, len(activity.slices), most)
    totals = _totals(activity)
    told = ", ".join(f"{totals[state]:,} {state}" for state in ENDED)
    return Chart(
        bars=tuple(bars),
        marks=tuple((HEIGHT - _BOTTOM - _height(v, most), amount(v)) for v in (0, most / 2, most)),
        times=_times(activity),
        summary=f"Runs that ended in the last hour, minute by minute: {told}.",
    )


def _stack(each: Slice, at: int, number: int, most: float) -> list[Bar]:
    x, width = _place(at, number), _place(1, number) - _LEFT - 1.5
    top = float(HEIGHT - _BOTTOM)
    told = ", ".join(f"{each.ended.get(s, 0)} {s}" for s in ENDED if each.ended.get(s))
    minutes = number - at
    bars = []
    for state in ENDED:
        if each.ended.get(state):
            height = max(1.0, _height(each.ended[state], most))
            top = round(top - height, 2)
            said = f"{minutes} min ago: {told}"
            bars.append(Bar(x=x, y=top, width=width, height=height, kind=state.value, told=said))
    return bars


def _totals(activity: Activity) -> dict[State, int]:
    return {state: sum(each.ended.get(state, 0) for each in activity.slices) for state in ENDED}


def durations(activity: Activity) -> Chart:
    """Mean wait and mean time taken, slice by slice: two lines."""
    known = [v for each in activity.slices for v in (each.wait, each.took) if v is not None]
    most = _nice(max([*known, 0.001]))
    lines: list[tuple[str, str]] = []
    dots: list[tuple[str, float, float]] = []
    for kind in ("wait", "took"):
        path, alone = _line([getattr(each, kind) for each in activity.slices], most)
        lines.append((kind, path))
        dots += [(kind, x, y) for x, y in alone]
    return Chart(
        lines=tuple(lines),
        dots=tuple(dots),
        marks=tuple(
            (HEIGHT - _BOTTOM - _height(v, most), span(v) if v >= 2 else took(v))
            for v in (0, most / 2, most)
        ),
        times=_times(activity),
        summary="Mean wait and mean time taken of the runs that ended, minute by minute.",
    )


def _line(values: Sequence[float | None], most: float) -> tuple[str, list[tuple[float, float]]]:
    """A path through the values, broken where there is none, and the points that stand alone."""
    path: list[str] = []
    alone: list[tuple[float, float]] = []
    for at, value in enumerate(values):
        if value is None:
            continue
        x, y = _place(at, len(values)) + 5, HEIGHT - _BOTTOM - _height(value, most)
        before = at > 0 and values[at - 1] is not None
        after = at + 1 < len(values) and values[at + 1] is not None
        path.append(f"{'L' if before else 'M'}{x:.1f} {y:.1f}")
        if not before and not after:
            alone.append((round(x, 1), round(y, 1)))
    return " ".join(path), alone


def rows(activity: Activity) -> list[dict[str, Any]]:
    """The same as a table: the slices in which something ended, the newest first."""
    number = len(activity.slices)
    return [
        {
            "ago": number - at,
            "ended": [each.ended.get(state, 0) for state in ENDED],
            "wait": each.wait,
            "took": each.took,
        }
        for at, each in reversed(list(enumerate(activity.slices)))
        if each.ended
    ]


@frozen(kw_only=True)
class Span:
    """One attempt on the time line: where its bar begins and how long it is, in percent."""

    attempt: int
    outcome: str
    x: float
    width: float
    told: str


def timeline(run: dict[str, Any], attempts: Sequence[dict[str, Any]]) -> list[Span]:
    """The attempts of a run from its submit until now, or until it was over."""
    begin = moment(run["created_at"])
    tried = [each for each in attempts if each["started_at"] is not None]
    if run["state"] == "running" and run["started_at"] is not None:
        tried.append(
            {"attempt": run["attempt"], "outcome": "running", "started_at": run["started_at"],
             "finished_at": None}
        )  # fmt: skip
    if begin is None or not tried:
        return []
    tried = tried[-_MOST_SPANS:]
    ends = [moment(each["finished_at"]) or clock.now() for each in tried]
    whole = max(0.001, (max(ends) - begin).total_seconds())
    spans = []
    for each, end in zip(tried, ends, strict=True):
        start = moment(each["started_at"]) or begin
        x = max(0.0, (start - begin).total_seconds()) / whole * 100
        width = max(0.8, (end - start).total_seconds() / whole * 100)
        lasted = took(between(each["started_at"], each["finished_at"]))
        said = f"Attempt {each['attempt']}: {each['outcome']} after {lasted}"
        spans.append(
            Span(
                attempt=each["attempt"], outcome=each["outcome"], x=round(min(x, 99.2), 2),
                width=round(min(width, 100 - min(x, 99.2)), 2), told=said,
            )
        )  # fmt: skip
    return spans
