"""``jobreg jobs``: what is installed here, and whose it is. Imports no plugin."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from ..objects.jobs import job_rows, owned, problem_object
from . import CommandGroup, as_json, connected, output, store_url

if TYPE_CHECKING:
    from ..registry import Problem

_COLOURS = {
    "ok": "green",
    "alias": "green",
    "conflict": "red",
    "invalid": "red",
    "denied": "yellow",
    "refused": "yellow",
}


_LATE = {
    "show": (".show_job:show_job", "Show all that is known of one job."),
    "doctor": (".doctor:doctor", "Look for what is wrong with the jobs installed here."),
    "sync": (".sync:sync", "Tell the store what the jobs installed here are."),
    "adopt": (".ownership:adopt", "Let a name belong to a distribution."),
    "set": (".ownership:set_options", "Set options of a job for every worker."),
    "lazy-check": (".lazy_check:lazy_check", "Does importing a module import job code?"),
}


@click.group(cls=CommandGroup, late=_LATE)
def jobs() -> None:
    """List, show and check the jobs installed here.

    \b
    Example: jobreg jobs list
    """


@jobs.command("list")
@click.option("--owners", is_flag=True, help="Ask the store whose each name is, and heed it.")
@as_json
@store_url
def list_jobs(owners: bool, as_json: bool, store_url: str | None) -> None:
    """List the jobs installed here, and what is wrong with any.

    It opens no store, unless --owners asks to whom the names belong.

    \b
    Example: jobreg jobs list --json
    """
    from ..registry import default_registry

    snapshot = default_registry().snapshot()
    rows = job_rows(snapshot)
    if owners:
        rows = owned(rows, snapshot, connected(store_url).store.catalogue.owners())
    if as_json:
        problems = [problem_object(each) for each in snapshot.problems]
        output.print_json({"jobs": rows, "problems": problems})
        return
    if rows and owners:
        headers = ("NAME", "PROVIDER", "STATE", "OWNER", "SINCE")
        output.table(map(_owned_cells, rows), headers, colours=_COLOURS)
    elif rows:
        output.table(map(_cells, rows), ("NAME", "PROVIDER", "STATE", "TARGET"), colours=_COLOURS)
    else:
        print("No jobs are installed here. Install a plugin that advertises some with pip.")
    sys.stdout.flush()
    _tell(snapshot.problems)


def _cells(row: dict[str, Any]) -> tuple[str, str, str, str]:
    owners = [row] if row["dist"] else row.get("claimants") or [row]
    providers = ", ".join(f"{owner['dist']} {owner['version']}".rstrip() for owner in owners)
    return row["name"], providers, row["state"], row["target"] or ""


def _owned_cells(row: dict[str, Any]) -> tuple[str, str, str, str, str]:
    name, providers, state, _ = _cells(row)
    owner = row["owner"]
    if owner is None:
        return name, providers, state, "", ""
    return name, providers, state, owner["dist"], f"{owner['pinned_at']} ({owner['pinned_by']})"


def _tell(problems: Iterable[Problem]) -> None:
    for each in problems:
        where = each.file if each.line is None else f"{each.file}:{each.line}"
        owner = f" ({each.dist})" if each.dist else ""
        message = f"{where}: {each.message}{owner}"
        print(f"jobreg: {each.code}: {output.safe(message)}", file=sys.stderr)
