"""``jobreg store import-mlflow``: take over the jobs of an MLflow backend database, once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import BadInput
from . import as_json, opened, output, store_url

if TYPE_CHECKING:
    from ..mlflow import Taking

_TOLD = 20


@click.command("import-mlflow")
@click.argument("url")
@click.option("--map", "file", metavar="FILE", help="JSON: job names by the names MLflow has.")
@click.option("--skip", is_flag=True, help="Leave out what has no job here or cannot be read.")
@click.option("--dry-run", is_flag=True, help="Say what would be imported, and import nothing.")
@as_json
@store_url
def import_mlflow(
    url: str, file: str | None, skip: bool, dry_run: bool, as_json: bool, store_url: str | None
) -> int:
    """Import the runs in the jobs table of an MLflow database, each once; it is only read.

    Pending, running and interrupted ones are queued here. A full function name becomes the name
    of the installed job that points to it; --map says the rest. Where anything has no job or
    cannot be read, nothing is imported, without --skip.

    \b
    Example: jobreg store import-mlflow sqlite:////srv/mlflow.db --dry-run
    """
    from .. import settings
    from ..mlflow import Taking, read_map
    from ..registry import default_registry
    from ..store.mlflow_jobs import Jobs

    chosen = settings.load(store=store_url)
    given = {} if file is None else read_map(_text(file), file)
    installed = default_registry().snapshot()
    jobs = Jobs(url)
    store = opened(chosen.store)
    try:
        taking = Taking(given, installed, chosen)
        taking.take(jobs, store, write=False)
        faulty = bool(taking.unmapped or taking.unreadable)
        imported = not dry_run and (skip or not faulty)
        if imported:
            taking = Taking(given, installed, chosen)
            taking.take(jobs, store, write=True)
    finally:
        jobs.close()
    if as_json:
        output.print_json(_told(taking, imported))
    else:
        _print(taking, imported)
    return int(faulty and not skip)


def _text(file: str) -> str:
    try:
        return Path(file).read_text("utf-8")
    except (OSError, ValueError) as error:
        raise BadInput(f"--map: {file!r} cannot be read: {error}.") from error


def _told(taking: Taking, imported: bool) -> dict[str, object]:
    return {
        "imported": imported,
        "runs": dict(taking.taken),
        "known": taking.known,
        "names": {old: name for old, name in taking.names.items() if name is not None},
        "unmapped": taking.unmapped,
        "unreadable": [{"id": each.id, "why": each.why} for each in taking.unreadable],
    }


def _print(taking: Taking, imported: bool) -> None:
    rows = ((taking.numbers[old], old, name or "?") for old, name in taking.names.items())
    output.table(rows, ("ROWS", "NAME THERE", "JOB HERE"))
    told = ", ".join(f"{number} {state}" for state, number in taking.taken.items()) or "none"
    print(f"{'Imported' if imported else 'Would be imported'}: {told}.", end=" ")
    print(f"Here already: {taking.known}.")
    for each in taking.unreadable[:_TOLD]:
        print(f"Cannot be read: {output.safe(each.id)}: {output.safe(each.why)}")
    if len(taking.unreadable) > _TOLD:
        print(f"... and {len(taking.unreadable) - _TOLD} more: see --json")
    if taking.unmapped:
        print("A name with '?' means no job that is installed here: say which with --map FILE.")
    if (taking.unmapped or taking.unreadable) and not imported:
        print("Nothing was imported. To leave these out: --skip")
