"""``jobreg runs why``: why a run is in its state, and what to do. Worked out when asked."""

from __future__ import annotations

import click

from . import as_json, connected, output, store_url


@click.command()
@click.argument("run_id", metavar="ID")
@as_json
@store_url
def why(run_id: str, as_json: bool, store_url: str | None) -> None:
    """Say why a run is in the state it is in, and what to do. ID may be its first 8 characters.

    \b
    Example: jobreg runs why 01a20a6e
    """
    from ..why import explain

    client = connected(store_url)
    run = client.get(client.find_id(run_id))
    because, following = explain(client, run)
    if as_json:
        told = {"run_id": run.id, "job_name": run.job_name, "state": run.state.value}
        reason = run.reason and run.reason.value
        output.print_json(told | {"reason": reason, "why": because, "next": following})
        return
    print(f"{run.id} {output.paint(run.state.value, 'bold')} {output.safe(run.job_name)}")
    print(output.safe(because))
    print(output.safe(following))
