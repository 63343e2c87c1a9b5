"""``jobreg runs cancel`` and ``jobreg runs retry``: by id, or all that a filter finds."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .. import bulk
from ..errors import BadInput, JobRegError
from . import as_json, connected, output, store_url
from .filters import filters_of, run_filters
from .runs import no_such_runs

if TYPE_CHECKING:
    from ..handle import Run

F = TypeVar("F", bound=Callable[..., Any])

_MOST_SHOWN = 20
_TOLD = {
    "cancelled": "cancelled",
    "asked": "asked to end by their workers",
    "queued": "queued again",
    "copied": "copied",
    "nothing": "cancelled already",
}


def _options(command: F) -> F:
    """The arguments and options that ``cancel`` and ``retry`` share."""
    for option in (
        store_url,
        as_json,
        click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing."),
        click.option("--all", "everything", is_flag=True, help="All of them, without a filter."),
        click.option("--limit", type=int, help="At most this many of those a filter finds."),
        run_filters,
        click.argument("run_ids", nargs=-1, metavar="[ID]..."),
    ):
        command = option(command)
    return command


@click.command()
@_options
def cancel(run_ids: tuple[str, ...], store_url: str | None, **asked: Any) -> int:
    """Cancel runs: at once while they wait, within seconds while they run.

    Give IDs (8 characters of one are enough), or filters, or --all for every run that is not
    over. A run that is over is told, and the others are cancelled.

    \b
    Example: jobreg runs cancel --job-name reports.render --state queued --dry-run
    """
    return _change(bulk.CANCEL, run_ids, store_url, **asked)


@click.command()
@_options
def retry(run_ids: tuple[str, ...], store_url: str | None, **asked: Any) -> int:
    """Queue failed and cancelled runs again; of a succeeded one named by its ID, a copy.

    Give IDs (8 characters of one are enough), or filters, or --all for every failed and
    cancelled run. A run that is not over is told, and the others are queued.

    \b
    Example: jobreg runs retry --state failed --job-name reports.render
    """
    return _change(bulk.RETRY, run_ids, store_url, **asked)


def _change(
    verb: bulk.Verb, run_ids: tuple[str, ...], store_url: str | None, *, limit: int | None,
    everything: bool, dry_run: bool, as_json: bool,
    **asked: Any,
) -> int:  # fmt: skip
    given = filters_of(asked)
    client = connected(store_url)
    _check_choice(verb.name, run_ids, bool(given), limit, everything)
    runs: Iterable[Run | JobRegError]
    if run_ids:
        runs = bulk.named(client, run_ids)
    else:
        runs = bulk.found(client, verb, given, limit, told="--state")
    changes: list[dict[str, Any]] = []
    try:
        code = bulk.apply(verb, runs, changes, dry_run=dry_run)
    except KeyboardInterrupt:
        _tell(changes, "", dry_run=dry_run, as_json=as_json)  # what was done before stays done
        raise
    _tell(changes, no_such_runs(client, given.get("job_name")), dry_run=dry_run, as_json=as_json)
    return code


def _check_choice(
    name: str, run_ids: Sequence[str], filtered: bool, limit: int | None, everything: bool
) -> None:
    """Refuse a choice that may touch more than was meant."""
    if run_ids and (filtered or everything or limit is not None):
        raise BadInput("Give IDs, or filters, or --all; not IDs with one of the others.")
    if filtered and everything:
        raise BadInput("Give filters or --all, not both.")
    if limit is not None and limit < 1:
        raise BadInput(f"--limit {limit}: give a whole number from 1.")
    if not (run_ids or filtered or everything):
        raise BadInput(
            f"Say which runs to {name}: IDs, or filters such as --job-name, or --all. "
            "See them first with --dry-run."
        )


def _tell(changes: Sequence[dict[str, Any]], nothing: str, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        output.print_json({"runs": list(changes), "dry_run": dry_run})
    else:
        _tell_people([each for each in changes if each["error"] is None], dry_run, len(changes))
        if not changes and nothing:
            print(nothing)
    sys.stdout.flush()
    for each in changes:
        if each["error"] is not None:
            print(f"jobreg: {output.safe(each['error'])}", file=sys.stderr)


def _tell_people(done: Sequence[dict[str, Any]], dry_run: bool, number: int) -> None:
    if done:
        rows = (
            (each["new_run_id"] or each["run_id"], each["was"], each["did"], each["job_name"])
            for each in done[:_MOST_SHOWN]
        )
        headers = ("RUN", "WAS", "TO DO" if dry_run else "DONE", "JOB")
        output.table(rows, headers, keep=("RUN",))
        if len(done) > _MOST_SHOWN:
            print(f"and {len(done) - _MOST_SHOWN} more")
    if number:
        counts = Counter(each["did"] for each in done)
        told = [f"{count} {_TOLD[did]}" for did, count in counts.items()]
        told += [f"{number - len(done)} refused"] if number > len(done) else []
        print(f"{'Would be' if dry_run else 'Done'}: {', '.join(told)}.")
