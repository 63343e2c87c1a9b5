"""``jobreg runs cancel`` and ``jobreg runs retry``: by id, or all that a filter finds."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import BadInput, Conflict, JobRegError, StoreError
from ..lifecycle import State
from . import as_json, output, store_url
from .filters import filters_of, run_filters
from .runs import no_such_runs

if TYPE_CHECKING:
    from ..client import Client
    from ..handle import Run
    from ..selection import Filters

F = TypeVar("F", bound=Callable[..., Any])
Verb = Callable[["Run", bool], dict[str, Any]]

_MOST_SHOWN = 20
_UNFINISHED = (State.SCHEDULED, State.QUEUED, State.RUNNING)
_REOPENED = (State.FAILED, State.CANCELLED)
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
    return _change("cancel", _UNFINISHED, _cancel, run_ids, store_url, **asked)


@click.command()
@_options
def retry(run_ids: tuple[str, ...], store_url: str | None, **asked: Any) -> int:
    """Queue failed and cancelled runs again; of a succeeded one named by its ID, a copy.

    Give IDs (8 characters of one are enough), or filters, or --all for every failed and
    cancelled run. A run that is not over is told, and the others are queued.

    \b
    Example: jobreg runs retry --state failed --job-name reports.render
    """
    return _change("retry", _REOPENED, _retry, run_ids, store_url, **asked)


def _change(
    name: str, touched: Sequence[State], verb: Verb, run_ids: tuple[str, ...],
    store_url: str | None, *, limit: int | None, everything: bool, dry_run: bool, as_json: bool,
    **asked: Any,
) -> int:  # fmt: skip
    from ..client import Client

    given = filters_of(asked)
    client = Client(store_url)
    _check_choice(name, run_ids, bool(given), limit, everything)
    runs: Iterable[Run | JobRegError]
    runs = _named(client, run_ids) if run_ids else _found(client, touched, name, given, limit)
    changes: list[dict[str, Any]] = []
    try:
        code = _apply(verb, runs, dry_run, changes)
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
    if not (run_ids or filtered or everything):
        raise BadInput(
            f"Say which runs to {name}: IDs, or filters such as --job-name, or --all. "
            "See them first with --dry-run."
        )


def _named(client: Client, texts: Sequence[str]) -> Iterable[Run | JobRegError]:
    """The runs of these ids; one that is malformed is refused before any run is touched."""
    found: dict[str, Run | JobRegError] = {}
    for text in texts:
        try:
            run = client.get(client.find_id(text))
            found[run.id] = run
        except (BadInput, StoreError):
            raise
        except JobRegError as error:
            found[text] = error
    return found.values()


def _found(
    client: Client, touched: Sequence[State], name: str, given: Filters, limit: int | None
) -> Iterator[Run]:
    """The runs that the filters find, in those states only that the verb touches."""
    wanted = given.get("state")
    # Refuses what cannot be, before anything is done; reads nothing.
    client.find(limit=0, **given)
    if wanted is not None and wanted not in touched:
        raise BadInput(f"--state {wanted}: {name} finds only runs that are {', '.join(touched)}.")
    if limit is not None and limit < 1:
        raise BadInput(f"--limit {limit}: give a whole number from 1.")
    return _in_states(client, touched if wanted is None else [State(wanted)], given, limit)


def _in_states(
    client: Client, states: Sequence[State], given: Filters, limit: int | None
) -> Iterator[Run]:
    left = limit
    for state in states:
        here: Filters = {**given, "state": state}
        for run in client.find(limit=left, **here):
            left = None if left is None else left - 1
            yield run


def _apply(
    verb: Verb, runs: Iterable[Run | JobRegError], dry_run: bool, changes: list[dict[str, Any]]
) -> int:
    """Do it to each run and note what was done; returns the exit code."""
    code = 0
    for run in runs:
        known: dict[str, Any] = {"run_id": None, "job_name": None, "was": None, "state": None}
        try:
            if isinstance(run, JobRegError):
                raise run
            known = {"run_id": run.id, "job_name": run.job_name, "was": run.state.value,
                     "state": run.state.value}  # fmt: skip
            done = {"did": None, "new_run_id": None, "error": None} | verb(run, dry_run)
            changes.append(known | {"state": run.state.value} | done)
        except JobRegError as error:
            code = max(code, error.exit_code)
            changes.append(known | {"did": None, "new_run_id": None, "error": str(error)})
            if isinstance(error, StoreError):
                break
    return code


def _cancel(run: Run, dry_run: bool) -> dict[str, Any]:
    if run.state is State.CANCELLED:
        return {"did": "nothing"}
    if not run.state.final and not dry_run:
        run.cancel()
    if run.state in (State.SUCCEEDED, State.FAILED):
        raise Conflict(
            f"Run {run.id} is {run.state}; what is over cannot be cancelled. "
            f"See: jobreg runs show {run.id}"
        )
    return {"did": "asked" if run.state is State.RUNNING else "cancelled"}


def _retry(run: Run, dry_run: bool) -> dict[str, Any]:
    if not run.state.final:
        raise Conflict(
            f"Run {run.id} is {run.state}; only a failed or cancelled run can be queued again. "
            f"See: jobreg runs why {run.id}"
        )
    did = "copied" if run.state is State.SUCCEEDED else "queued"
    if dry_run:
        return {"did": did}
    made = run.retry()
    return {"did": did, "new_run_id": made.id if made.id != run.id else None}


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
