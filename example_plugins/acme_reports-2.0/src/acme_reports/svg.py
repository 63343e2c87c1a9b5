"""One chart as inline SVG: the values of a column over dates, or row by row."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from html import escape
from statistics import median

from acme_reports.columns import Column

WIDTH, HEIGHT = 720, 344
LEFT, RIGHT, TOP, BOTTOM = 72, 680, 48, 274  # the edges of the plotted area
MOST_DOTS = 400


@dataclass(frozen=True)
class Scale:
    """Maps the values from ``low`` to ``high`` onto the positions from ``start`` to ``end``."""

    low: float
    high: float
    start: int
    end: int

    def at(self, value: float) -> float:
        """Return the position of a value, to a tenth of a unit."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


@dataclass(frozen=True)
class Axis:
    """What runs from left to right: its name, its ends and its labelled places."""

    name: str
    low: float
    high: float
    labels: list[tuple[float, str]]


def draw_dots(column: Column, dates: Column | None) -> str:
    """Return the SVG of a numeric column over a date column, or over the rows without one.

    The colours are in the page's style sheet.
    """
    places = dates.values if dates else range(1, len(column.values) + 1)
    points = [
        (place, value)
        for place, value in zip(places, column.values, strict=True)
        if not (math.isnan(place) or math.isnan(value))
    ]
    axis = date_axis(dates) if dates else row_axis(len(column.values))
    values = column.known()
    x = Scale(axis.low, axis.high, LEFT, RIGHT)
    y_ticks = ticks(min(values), max(values))
    y = Scale(y_ticks[0], y_ticks[-1], BOTTOM, TOP)
    middle = median(values)
    return "\n".join(
        [
            *_opening(column, axis, len(points)),
            *(_y_tick(y.at(tick), label(tick)) for tick in y_ticks),
            *(_x_tick(x.at(place), text, i) for i, (place, text) in enumerate(axis.labels)),
            f'<path class="axis" d="M{LEFT} {BOTTOM}H{RIGHT}"/>',
            _median_line(y.at(middle), label(middle)),
            *(_dot(x.at(place), y.at(v), _tip(dates, place, v)) for place, v in thin(points)),
            "</svg>",
        ]
    )


def row_axis(rows: int) -> Axis:
    """Return the axis of row numbers."""
    places = [tick for tick in ticks(0, rows) if tick <= rows and tick.is_integer()]
    return Axis("row", 0, rows + 1, [(place, label(place)) for place in places])


def date_axis(dates: Column) -> Axis:
    """Return the axis of a date column: years where it spans some, days or hours otherwise."""
    first, last = min(dates.known()), max(dates.known())
    if last - first >= 4 * 365:
        years = ticks(_moment(first).year, _moment(last).year)
        days = [(float(date(int(year), 1, 1).toordinal()), f"{year:.0f}") for year in years]
        return Axis(dates.name, first, last, [day for day in days if first <= day[0] <= last])
    if first == last:
        first, last = first - 1, last + 1
    form = "%Y-%m-%d" if last - first >= 4 else "%d %b %H:%M"
    places = [first + (last - first) * part / 4 for part in range(5)]
    labels = [(place, _moment(place).strftime(form)) for place in places]
    return Axis(dates.name, first, last, labels)


def thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep every n-th point where there are more than the eye can tell apart."""
    return list(points[:: math.ceil(len(points) / MOST_DOTS)])


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return about ``most`` round numbers that span ``low`` to ``high``."""
    if high - low <= max(abs(high) * 1e-9, 1e-99):  # one value only: give it room around
        room = abs(high) / 2 or 1
        low, high = low - room, high + room
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * n for n in (1, 2, 5, 10, 20) if size * n >= rough)
    return [n * step for n in range(math.floor(low / step), math.ceil(high / step) + 1)]


def label(value: float) -> str:
    """Write a number short enough for an axis: 0.25, 1990, 25k, 1.5M."""
    if 10_000 <= abs(value) < 1e15:  # below, it may well be a year
        for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
            if size <= abs(value):
                return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"


def shorten(text: str, longest: int = 40) -> str:
    """Cut a text that would run out of its place."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _opening(column: Column, axis: Axis, count: int) -> list[str]:
    name, across = escape(shorten(column.name)), escape(shorten(axis.name))
    values = column.known()
    return [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="chart-name chart-is">',
        f'<title id="chart-name">{name} by {across}</title>',
        f'<desc id="chart-is">{count} values of {name} over {across}, '
        f"from {label(min(values))} to {label(max(values))}; "
        f"half of them are below {label(median(values))}.</desc>",
        f'<text class="name" x="{LEFT}" y="24">{name}</text>',
        f'<text class="name" x="{RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{across}</text>',
    ]


def _moment(day: float) -> datetime:
    return datetime.fromordinal(int(day)) + timedelta(days=day % 1)


def _tip(dates: Column | None, place: float, value: float) -> str:
    where = f"{_moment(place):%Y-%m-%d}" if dates else f"row {place}"
    return f"{where}: {label(value)}"


def _dot(x: float, y: float, tip: str) -> str:
    return f'<circle class="dot" cx="{x}" cy="{y}" r="4"><title>{escape(tip)}</title></circle>'


def _y_tick(y: float, text: str) -> str:
    return (
        f'<path class="grid" d="M{LEFT} {y}H{RIGHT}"/>'
        f'<text x="{LEFT - 8}" y="{y}" dy="0.35em" text-anchor="end">{text}</text>'
    )


def _x_tick(x: float, text: str, number: int) -> str:
    # On a small screen letters are bigger and every other label gives way.
    return (
        f'<text class="{"minor" if number % 2 else "major"}" x="{x}" y="{BOTTOM + 10}" dy="0.8em"'
        f' text-anchor="middle">{text}</text>'
    )


def _median_line(y: float, text: str) -> str:
    return (
        f'<path class="median" d="M{LEFT} {y}H{RIGHT}"/>'
        f'<text class="median" x="{RIGHT}" y="24" text-anchor="end">– – median {text}</text>'
    )
