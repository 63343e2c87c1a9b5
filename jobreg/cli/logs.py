"""``jobreg runs logs``: what a run printed and logged; also how ``jobreg run`` shows it live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from . import as_json, connected, output, store_url

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ..lifecycle import LogLine

_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red", "DEBUG": "dim"}


@click.command()
@click.argument("run_id", metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run is over.")
@click.option("--attempt", type=int, metavar="N", help="Only of this attempt.")
@click.option("--level", help="Only lines of at least this level, as warning.")
@as_json
@store_url
def logs(
    run_id: str, follow: bool, attempt: int | None, level: str | None, as_json: bool,
    store_url: str | None,
) -> None:  # fmt: skip
    """Show what a run printed and logged; with --follow, as it comes.

    ID may be its first 8 characters or more.

    \b
    Example: jobreg runs logs 01a20a6e --follow
    """
    client = connected(store_url)
    lines = client.logs(client.find_id(run_id), attempt=attempt, level=level, follow=follow)
    if as_json:
        _print_json(lines, follow)
    else:
        _print(lines, follow)


def _print_json(lines: Iterable[LogLine], follow: bool) -> None:
    import json

    from ..codec import log_object

    if not follow:
        output.print_json([log_object(line) for line in lines])
        return
    for line in lines:
        print(json.dumps(log_object(line), ensure_ascii=True), flush=True)


def _print(lines: Iterable[LogLine], follow: bool) -> None:
    shown = 0
    for line in lines:
        if shown not in (0, line.attempt):
            print(output.paint(f"attempt {line.attempt}", "bold"))
        shown = line.attempt
        print(plain(line), flush=follow)
    if not shown:
        click.echo("Nothing was printed or logged.", err=True)


def plain(line: LogLine) -> str:
    """One line for people: time, level, text, all harmless."""
    level = output.safe(line.level)
    return f"{_time(line.at)} {output.paint(f'{level:<8}', _COLOURS.get(level))} " + output.safe(
        line.text
    )


def _time(moment: datetime) -> str:
    """A time in this machine's zone, to the second, with the day."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
