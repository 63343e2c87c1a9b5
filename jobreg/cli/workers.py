"""``jobreg workers``: who works on a store, and ask one to end."""

from __future__ import annotations

import click

from ..errors import BadInput, NotFound
from ..objects.status import worker_details
from . import CommandGroup, as_json, opened, output, store_url
from .status import COLOURS, tell_workers


@click.group(cls=CommandGroup)
def workers() -> None:
    """List the workers of a store, and ask them to end.

    \b
    Example: jobreg workers list
    """


@workers.command("list")
@as_json
@store_url
def list_workers(as_json: bool, store_url: str | None) -> None:
    """Show each worker: live, draining, degraded or dead, and how many of its slots are busy.

    Degraded is one that cannot keep up with the database, or cannot start processes, or was not
    heard for half a lease.

    \b
    Example: jobreg workers list --json
    """
    told = worker_details(opened(store_url))
    if as_json:
        output.print_json({"workers": told})
    elif told:
        rows_told = [
            (
                each["worker_id"],
                each["pid"],
                each["state"],
                f"{each['busy']}/{each['slots']}",
                f"{output.span(each['beat_age'])} ago",
                each["host"],
            )
            for each in told
        ]
        headers = ("ID", "PID", "WORKER", "BUSY", "HEARD", "HOST")
        output.table(rows_told, headers, colours=COLOURS, keep=headers[:-1])
    else:
        tell_workers(told)


@workers.command()
@click.argument("worker_ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="Every live worker.")
@as_json
@store_url
def drain(
    worker_ids: tuple[str, ...], everything: bool, as_json: bool, store_url: str | None
) -> None:
    """Ask workers to end, as SIGTERM does: they claim no more and let running jobs finish.

    ID is that of `jobreg workers list`, or how it begins, at least 8 characters. A worker
    notices within about 2 s. A service manager may start it again.

    \b
    Example: jobreg workers drain 019f0c1e
    """
    if everything == bool(worker_ids):
        raise BadInput("Give the ids of workers (jobreg workers list), or --all.")
    store = opened(store_url)
    live = [row.worker_id for row in store.workers() if row.live]
    chosen = live if everything else [_chosen(text, live) for text in worker_ids]
    asked = [each for each in chosen if store.ask_worker(each, "drain")]
    if as_json:
        output.print_json({"asked": asked})
        return
    for each in asked:
        print(f"asked to drain: {each}")
    if not asked:
        print("No live worker was there to ask.")


def _chosen(text: str, live: list[str]) -> str:
    """The one live worker whose id begins so."""
    digits = text.lower()
    found = [each for each in live if len(digits) >= 8 and each.startswith(digits)]
    if len(found) > 1:
        raise BadInput(f"worker id: {text[:80]!r} begins several. Give more of it.")
    if not found:
        raise NotFound(
            f"No live worker has an id that begins with {text[:80]!r}, of at least 8 "
            "characters. See: jobreg workers list"
        )
    return found[0]
