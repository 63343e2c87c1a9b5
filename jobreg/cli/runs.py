"""``jobreg runs``: what became of what was submitted."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from . import CommandGroup, as_json, connected, output, store_url
from .filters import filters_of, run_filters

if TYPE_CHECKING:
    from ..client import Client
    from ..handle import Run

_WIDEST_PROVIDER = 23  # with id, state and six characters of the job: 80 columns
_COLOURS = {
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "running": "blue",
    "error": "red",
    "crashed": "red",
    "timeout": "red",
}


_LATE = {
    "logs": (".logs:logs", "Show what a run printed and logged."),
    "why": (".why:why", "Say why a run is in the state it is in, and what to do."),
    "cancel": (".change:cancel", "Cancel runs, by id or by filter."),
    "retry": (".change:retry", "Queue failed and cancelled runs again, by id or by filter."),
}


@click.group(cls=CommandGroup, late=_LATE)
def runs() -> None:
    """List, show, explain, cancel and retry runs, and read their logs.

    \b
    Example: jobreg runs list --state failed
    """


def no_such_runs(client: Client, job_name: str | None) -> str:
    """What to say where a filter found nothing: close names, where the job is not known here."""
    names = client.registry.names()
    if job_name is None or job_name in names:
        return "No such runs."
    from difflib import get_close_matches

    close = " or ".join(repr(each) for each in get_close_matches(job_name[:128], names))
    return f"No such runs. Did you mean {close}?" if close else "No such runs."


@runs.command("list")
@run_filters
@click.option("--limit", type=int, default=50, show_default=True, help="At most this many.")
@click.option("--cursor", help="Go on where a page said its next one is.")
@as_json
@store_url
def list_runs(
    limit: int, cursor: str | None, as_json: bool, store_url: str | None, **asked: Any
) -> None:
    """List runs, newest first; of those that wait or run, the last to become due first.

    WHEN is a time such as 2026-01-31T12:00 or 2026-01-31T12:00Z, or how long ago: 90s, 5m, 2h,
    1d. PATH is a parameter's name, or leads into it by dots.

    \b
    Example: jobreg runs list --state failed --since 2h --limit 20
    """
    from ..objects.runs import run_objects

    filters = filters_of(asked)
    client = connected(store_url)
    found, following = client.page(limit=limit, cursor=cursor, **filters)
    if as_json:
        told = run_objects(client, [run.record for run in found])
        output.print_json({"runs": told, "next": following})
        return
    if not found and following is None:
        nothing = "No runs yet. See: jobreg submit --help"
        anything = filters or cursor is not None
        print(no_such_runs(client, filters.get("job_name")) if anything else nothing)
        return
    job_name = filters.get("job_name")
    headers = ("RUN", "STATE", "PROVIDER", "CREATED")
    rows = [_cells(run) for run in found]
    if job_name is None:
        # Where no name was asked for, it says more than the time of day in 80 columns.
        headers = ("RUN", "STATE", "PROVIDER", "JOB")
        rows = [(*row[:3], run.job_name) for row, run in zip(rows, found, strict=True)]
    output.table(rows, headers, colours=_COLOURS, keep=("RUN", "STATE", "PROVIDER"))
    if following is not None:
        click.echo(f"More: --cursor {following}", err=True)


@runs.command("show")
@click.argument("run_id", metavar="ID")
@as_json
@store_url
def show_run(run_id: str, as_json: bool, store_url: str | None) -> None:
    """Show one run, with its attempts. ID may be its first 8 characters or more.

    \b
    Example: jobreg runs show 01a20a6e
    """
    client = connected(store_url)
    print_run(client, client.get(client.find_id(run_id)), as_json=as_json, attempts=True)


@runs.command("wait")
@click.argument("run_id", metavar="ID")
@click.option("--timeout", help='Give up after this long, as "90s"; exit code 6.')
@as_json
@store_url
def wait_for_run(run_id: str, timeout: str | None, as_json: bool, store_url: str | None) -> int:
    """Wait until a run is over; exit 0 when it succeeded, 1 when it did not.

    \b
    Example: jobreg runs wait 01a20a6e --timeout 10m
    """
    client = connected(store_url)
    run = client.get(client.find_id(run_id)).wait(timeout)
    print_run(client, run, as_json=as_json)
    return exit_code(run)


def exit_code(run: Run) -> int:
    """What a command that waited for a run exits with."""
    return 0 if run.state == "succeeded" else 1


def print_run(client: Client, run: Run, *, as_json: bool, attempts: bool = False) -> None:
    """Print one run, for people or as JSON for programs."""
    from ..codec import attempt_object
    from ..objects.runs import run_objects

    (told,) = run_objects(client, [run.record])
    tries = [attempt_object(each) for each in run.attempts()] if attempts else []
    if as_json:
        output.print_json(told | {"attempts": tries} if attempts else told)
        return
    provider, error, progress = told["provider"], told["error"], told["progress"]
    told |= {
        "params": json.dumps(told["params"], ensure_ascii=False),
        "result": run.record.result,
        "provider": provider and f"{provider['dist']} {provider['version']}",
        "error": error and f"{error['type']}: {error['message']}",
        "progress": progress and _progress(progress["done"], progress["total"]),
        "tags": ", ".join(told["tags"]) or None,
    }
    output.fields((key.replace("_", " "), value) for key, value in told.items())
    if tries:
        print()
        headers = ("ATTEMPT", "OUTCOME", "FINISHED", "PROVIDER", "HOST", "PID")
        output.table(map(_attempt_cells, tries), headers, colours=_COLOURS)
    for line in (error["traceback"] if error and attempts else "").splitlines():
        print(output.safe(line))


def _progress(done: float, total: float | None) -> str:
    return " of ".join(output.amount(each) for each in (done, total) if each is not None)


def _cells(run: Run) -> tuple[object, ...]:
    provider = run.provider
    told = output.safe(f"{provider.dist} {provider.version}") if provider else ""
    told = output.cut(told, _WIDEST_PROVIDER)
    return run.id, run.state.value, told, short_time(run.record.created_at)


def _attempt_cells(attempt: dict[str, object]) -> tuple[object, ...]:
    provider = attempt["provider"]
    told = f"{provider['dist']} {provider['version']}" if isinstance(provider, dict) else ""
    finished = str(attempt["finished_at"])[:19].replace("T", " ")
    return attempt["attempt"], attempt["outcome"], finished, told, attempt["host"], attempt["pid"]


def short_time(moment: datetime | None) -> str:
    """A time in this machine's zone, to the second, the day only where it is not today."""
    if moment is None:
        return ""
    local = moment.astimezone()
    today = local.date() == datetime.now().astimezone().date()
    return local.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M")
