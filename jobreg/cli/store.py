"""``jobreg store``: look at the store, and upgrade its schema."""

from __future__ import annotations

import time
from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from .. import clock
from . import CommandGroup, as_json, opened, output, store_url
from .import_mlflow import import_mlflow

if TYPE_CHECKING:
    from ..store import Store

_REST = 0.05


@click.group(cls=CommandGroup)
def store() -> None:
    """Look at the store, and upgrade it.

    \b
    Example: jobreg store status
    """


@store.command()
@as_json
@store_url
def status(as_json: bool, store_url: str | None) -> None:
    """Show where the store is, its schema version, its runs, and the settings in force.

    \b
    Example: jobreg store status --store /var/lib/app/jobs.db
    """
    from attrs import asdict

    from .. import settings
    from ..store import exists, schema

    chosen = settings.load(store=store_url)
    told: dict[str, object] = {"url": chosen.store, "exists": exists(chosen.store)}
    counts: dict[str, int] = {}
    version: str | None = None
    if told["exists"]:
        there = opened(chosen.store, check=False)
        version = schema.version_of(there)
        told |= {"url": there.url, "schema_version": version}
        counts = there.counts() if version is not None else {}
    told["needs_version"] = schema.VERSION
    steps = schema.pending(version)
    told["pending"] = [{"version": each, "brings": brings} for each, brings in steps]
    told["runs"] = counts
    in_force = asdict(chosen) | {"store": told["url"]}
    if as_json:
        output.print_json(told | {"settings": in_force})
        return
    told["pending"], *more = _pending(steps) or ["nothing"]
    told["runs"] = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    pairs = [(key.replace("_", " "), value) for key, value in told.items()]
    pairs[-1:-1] = [("", line) for line in more]  # below the first, above the runs
    output.fields(pairs)
    print()
    rows = ((f"JOBREG_{key.upper()}", _plain(value)) for key, value in in_force.items())
    output.table(rows, ("SETTING", "VALUE"))


def _pending(steps: Sequence[tuple[str, str]]) -> list[str]:
    """What each version brings, in lines that fit beside the names of the facts."""
    room = max(output.width() - len("schema version  "), 20)
    told = (f"{version}: {brings}" for version, brings in steps)
    return [line for each in told for line in wrap(each, room, subsequent_indent=" " * 6)]


@store.command()
@click.option("--to", "version", metavar="VERSION", help="No further than to this version.")
@as_json
@store_url
def upgrade(version: str | None, as_json: bool, store_url: str | None) -> None:
    """Bring the store's schema to the version of this jobreg. Workers may go on meanwhile.

    \b
    Example: jobreg store upgrade
    """
    from ..store import schema

    there = opened(store_url, check=False)
    before = schema.upgrade(there, version or "head")
    after = schema.version_of(there)
    if as_json:
        output.print_json({"url": there.url, "from": before, "to": after})
    elif before == after:
        print(f"{there.url} has version {after} already.")
    else:
        print(f"{there.url} went from version {before or 'none'} to {after}.")


@store.command()
@click.option("--retain", metavar="STATE=AGE,...", help="As JOBREG_RETAIN, for this once.")
@click.option("--dry-run", is_flag=True, help="Say how many would be deleted, and do nothing.")
@as_json
@store_url
def prune(retain: str | None, dry_run: bool, as_json: bool, store_url: str | None) -> None:
    """Delete runs that have been over for longer than JOBREG_RETAIN says, a batch at a time.

    Workers do so by themselves. What is not over is never deleted.

    \b
    Example: jobreg store prune --retain succeeded=7d,failed=forever --dry-run
    """
    from .. import settings

    chosen = settings.load(store=store_url, retain=retain)
    pruned = dict.fromkeys(chosen.retain, 0)
    there = opened(chosen.store)
    for state, age in chosen.retain.items():
        if age is not None and dry_run:
            pruned[state] = there.history.count(state, age)
        elif age is not None:
            pruned[state] = _prune_all(there, state, age)
    if as_json:
        output.print_json({"pruned": pruned, "dry_run": dry_run})
        return
    told = ", ".join(f"{number} {state}" for state, number in pruned.items())
    print(f"{'Would be deleted' if dry_run else 'Deleted'}: {told}.")


def _prune_all(there: Store, state: str, age: float) -> int:
    """Delete batch after batch; how many. Where one lock is for all, others get it in between.

    SQLite keeps no line of those who wait for it, and who takes it again at once starves them.
    """
    from ..store.pruning import BATCH

    pruned, began = 0, clock.seconds()
    while number := there.history.prune(state, age, BATCH):
        pruned += number
        if not there.database.locks_rows:
            time.sleep(max(_REST, clock.seconds() - began))
        began = clock.seconds()
    return pruned


@store.command("rename-job")
@click.argument("old")
@click.argument("new")
@click.option("--dry-run", is_flag=True, help="Say how much has the old name, and do nothing.")
@as_json
@store_url
def rename_job(old: str, new: str, dry_run: bool, as_json: bool, store_url: str | None) -> None:
    """Give a job another name: history, unfinished runs, pin, catalogue, set options and pause.

    OLD may be any text that the store has as a name. Runs that are running go on. Submit by the
    new name first: what is submitted by the old one meanwhile keeps it.

    \b
    Example: jobreg store rename-job acme.render.run reports.render --dry-run
    """
    from attrs import asdict

    from ..errors import BadInput
    from ..registry.entry_points import name_fault

    fault = name_fault(new)
    if fault:
        raise BadInput(fault)
    there = opened(store_url)
    found = there.names.count(old) if dry_run else there.names.rename(old, new)
    if as_json:
        output.print_json({"from": old, "to": new, **asdict(found), "dry_run": dry_run})
        return
    told = ", ".join(f"{number} {kind}" for kind, number in asdict(found).items())
    print(f"{'Would be renamed' if dry_run else 'Renamed'}: {told}.")


store.add_command(import_mlflow)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        value = tuple(f"{key}={'forever' if each is None else each}" for key, each in value.items())
    return ",".join(map(str, value)) if isinstance(value, tuple) else value
