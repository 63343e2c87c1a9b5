"""The report as one HTML page that needs no other file."""

import math
from collections.abc import Iterable, Mapping
from html import escape

from acme_reports.columns import Column, Figures, Table
from acme_reports.svg import MOST_DOTS, draw_dots, shorten

FIGURES = ("count", "missing", "min", "median", "mean", "max", "sum")

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #dfe4ea;
  --back: #ffffff; --band: #f5f7fa; --dot: #2563ac; --mark: #b4520e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7ebf0; --soft: #a3aebb; --line: #38414d;
  --back: #14181e; --band: #1d232b; --dot: #7ab5f5; --mark: #f0a35e; } }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1.25rem 3rem; color: var(--ink);
  background: var(--back); font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2.25rem 0 .75rem; font-size: 1.15rem; }
p { margin: .4rem 0; color: var(--soft); overflow-wrap: anywhere; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { padding: .45rem .8rem; text-align: left; white-space: nowrap; }
thead th { background: var(--band); color: var(--soft); font-weight: 600; }
tbody tr { border-top: 1px solid var(--line); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--soft); font: 13px system-ui, sans-serif; }
svg .name { fill: var(--ink); font-weight: 600; }
svg .grid { stroke: var(--line); } svg .axis { stroke: var(--soft); }
svg path.median { stroke: var(--mark); stroke-dasharray: 5 4; fill: none; }
svg text.median { fill: var(--mark); }
svg .dot { fill: var(--dot); fill-opacity: .75; }
@media (max-width: 36rem) { svg text { font-size: 22px; } svg .minor { display: none; }
  svg .dot { r: 6px; } }
"""

# Nothing may be loaded and no script may run, whatever stood in the CSV file.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def lay_out(title: str, source: str, table: Table, summary: Mapping[str, Figures]) -> str:
    """Return the whole page; ``source`` is the CSV file's name. All given text is escaped."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
<p>{table.rows:,} rows and {len(table.columns):,} columns, read from {escape(source)}</p>
{_chart_section(table)}
{_figures_section(summary)}
{_preview_section(table)}
</body>
</html>
"""


def chart_column(numeric: list[Column]) -> Column:
    """Choose the column to draw: the first that does more than number the rows."""

    def numbers_the_rows(column: Column) -> bool:
        return all(number - column.values[0] == i for i, number in enumerate(column.values))

    return next((column for column in numeric if not numbers_the_rows(column)), numeric[0])


def figure(value: int | float) -> str:
    """Write a figure for people: thousands grouped, at most four decimals."""
    if abs(value) >= 1e15 or 0 < abs(value) < 0.001:
        return f"{value:.4g}"
    text = f"{value:,.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _chart_section(table: Table) -> str:
    numeric = table.of_kind("number")
    if not numeric:
        return "<p>No column holds numbers, so there is nothing to draw or sum up.</p>"
    column = chart_column(numeric)
    note = ""
    if len(column.known()) > MOST_DOTS:
        note = f"<p>One value in {math.ceil(len(column.known()) / MOST_DOTS)} is drawn.</p>"
    dates = next(iter(table.of_kind("date")), None)
    heading = escape(f"{shorten(column.name)} by {shorten(dates.name) if dates else 'row'}")
    return f"<h2>{heading}</h2>\n{draw_dots(column, dates)}\n{note}"


def _figures_section(summary: Mapping[str, Figures]) -> str:
    if not summary:
        return ""
    head = _row("th", ["column", *FIGURES], range(1, 8))
    body = [
        _row("td", [name, *(figure(figures[key]) for key in FIGURES)], range(1, 8))
        for name, figures in summary.items()
    ]
    return "<h2>Figures</h2>\n" + _table("Figures of the numeric columns", head, body)


def _preview_section(table: Table) -> str:
    numeric = [i for i, column in enumerate(table.columns) if column.kind == "number"]
    head = _row("th", [column.name for column in table.columns], numeric)
    body = [_row("td", row, numeric) for row in table.preview]
    return "<h2>First rows</h2>\n" + _table("First rows of the file", head, body)


def _table(name: str, head: str, body: list[str]) -> str:
    # A wide table scrolls by itself; with tabindex also by keyboard.
    return (
        f'<div class="wide" role="region" aria-label="{escape(name)}" tabindex="0"><table>\n'
        f"<thead>{head}</thead>\n<tbody>\n" + "\n".join(body) + "\n</tbody>\n</table></div>"
    )


def _row(tag: str, cells: list[str], numeric: Iterable[int]) -> str:
    right = set(numeric)
    opening = "<th scope='col'" if tag == "th" else "<td"
    parts = []
    for i, cell in enumerate(cells):
        kind = " class='number'" if i in right else ""
        parts.append(f"{opening}{kind}>{escape(shorten(cell, 80))}</{tag}>")
    return f"<tr>{''.join(parts)}</tr>"
