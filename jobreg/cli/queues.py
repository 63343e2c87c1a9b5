"""``jobreg queues``: hold back what waits in a queue, or of a job, and let it go on."""

from __future__ import annotations

import click

from ..objects.status import pause_objects
from ..options import queue_name
from . import CommandGroup, as_json, complete_jobs, connected, opened, output, store_url


@click.group(cls=CommandGroup)
def queues() -> None:
    """Pause and resume queues and jobs.

    \b
    Example: jobreg queues pause mail
    """


def _checked(name: str, job: bool) -> tuple[str, str]:
    """Kind and name of what is meant."""
    from ..errors import BadInput
    from ..registry.entry_points import name_fault

    if not job:
        return "queue", queue_name(name)
    fault = name_fault(name)
    if fault:
        raise BadInput(fault)
    return "job", name


@queues.command("list")
@as_json
@store_url
def list_pauses(as_json: bool, store_url: str | None) -> None:
    """Show the queues and jobs that are paused. What waits in them: jobreg status

    \b
    Example: jobreg queues list
    """
    told = pause_objects(opened(store_url).pauses())
    if as_json:
        output.print_json({"paused": told})
    elif told:
        headers = ("PAUSED", "NAME", "SINCE")
        rows = ((each["kind"], each["name"], each["paused_at"]) for each in told)
        output.table(rows, headers)
    else:
        print("Nothing is paused.")


@queues.command()
@click.argument("name", shell_complete=complete_jobs)
@click.option("--job", is_flag=True, help="NAME is a job, whatever queue its runs wait in.")
@as_json
@store_url
def pause(name: str, job: bool, as_json: bool, store_url: str | None) -> None:
    """Let nobody claim queued runs of a queue (or job) until it is resumed.

    What runs goes on, and what is submitted waits. A job that nobody knows is refused: it would
    be a typing error, and the job that was meant would go on.

    \b
    Example: jobreg queues pause reports.render --job
    """
    from ..objects.jobs import check_known

    kind, name = _checked(name, job)
    client = connected(store_url)
    if job:
        check_known(client, name)
    _tell(kind, name, "paused", client.store.pause(kind, name), as_json)


@queues.command()
@click.argument("name", shell_complete=complete_jobs)
@click.option("--job", is_flag=True, help="NAME is a job.")
@as_json
@store_url
def resume(name: str, job: bool, as_json: bool, store_url: str | None) -> None:
    """Let runs of a paused queue (or job) be claimed again; workers notice within seconds.

    \b
    Example: jobreg queues resume mail
    """
    kind, name = _checked(name, job)
    _tell(kind, name, "resumed", opened(store_url).resume(kind, name), as_json)


def _tell(kind: str, name: str, done: str, changed: bool, as_json: bool) -> None:
    if as_json:
        output.print_json({"kind": kind, "name": name, "state": done, "changed": changed})
        return
    if changed:
        print(f"{kind} {name} is {done}.")
    else:
        print(f"{kind} {name} was {'paused already' if done == 'paused' else 'not paused'}.")
