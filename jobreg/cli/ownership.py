"""``jobreg jobs adopt`` and ``jobs set``: what operators decide about a job, for every worker."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from . import as_json, complete_jobs, connected, output, store_url

if TYPE_CHECKING:
    from ..client import Client
    from ..registry.snapshot import Snapshot

SETTABLE = ("queue", "priority", "timeout", "max_attempts", "max_crashes", "concurrency")
"""The options that operators can set."""


def complete_claimants(context: click.Context, _parameter: object, incomplete: str) -> list[str]:
    """The installed distributions that claim the name and begin so, for the shell."""
    from ..registry import default_registry

    # An option that waits for its value keeps click from giving arguments their names.
    name = next(iter(context.args), context.params.get("name"))
    claim = _installed(default_registry().snapshot(), str(name))
    return sorted(dist for dist in claim if dist.startswith(incomplete))


@click.command()
@click.argument("name", shell_complete=complete_jobs)
@click.option(
    "--from", "dist", required=True, metavar="DIST", shell_complete=complete_claimants,
    help="The distribution to run it.",
)  # fmt: skip
@as_json
@store_url
def adopt(name: str, dist: str, as_json: bool, store_url: str | None) -> None:
    """Let a name belong to a distribution; workers heed it within 5 s.

    Where several distributions claim a name, or it has moved to another one, this says whose
    function is run under it. Runs that are queued stay queued and are run by the new owner.

    \b
    Example: jobreg jobs adopt reports.render --from acme-reports
    """
    from ..errors import BadInput
    from ..registry.entry_points import APPLICATION, normalise

    client = connected(store_url)
    claimants = _claimants(client, name)
    wanted = normalise(dist)
    if wanted == APPLICATION:
        raise BadInput(
            f"What an application registers belongs to nobody, and so cannot {name!r}. Uninstall "
            "whoever claims it too, or let it belong to one of those with --from."
        )
    if wanted not in claimants:
        known = " and ".join(sorted(claimants))
        raise BadInput(f"{dist!r} is not known to provide {name!r}; known is {known}.")
    before = client.store.catalogue.adopt(name, wanted)
    if as_json:
        output.print_json({"name": name, "owner": wanted, "before": before and before.dist})
        return
    told = "nobody" if before is None else before.dist
    print(output.safe(f"{name} belongs to {wanted} now (before: {told})."))


@click.command("set")
@click.argument("name", shell_complete=complete_jobs)
@click.argument("pairs", metavar="[OPTION=VALUE]...", nargs=-1)
@as_json
@store_url
def set_options(name: str, pairs: tuple[str, ...], as_json: bool, store_url: str | None) -> None:
    """Set options of a job for every worker, before what its code says.

    Options are queue, priority, timeout, max_attempts, max_crashes and concurrency; OPTION= takes
    back what was set. What a submitter asks for stands before it. Workers heed it within 5 s, for
    attempts that begin from then on. Without OPTION=VALUE it shows what is set.

    \b
    Example: jobreg jobs set reports.render timeout=10m concurrency=2
    """
    from .pairs import once

    client = connected(store_url)
    _claimants(client, name)
    asked = once(map(_option, pairs))
    if asked:
        client.store.catalogue.override(name, asked)
    found = client.store.catalogue.overrides().get(name, {})
    if as_json:
        output.print_json({"name": name, "set": found})
    elif found:
        output.fields(found.items())
    else:
        print(output.safe(f"Nothing is set for {name}; its own options hold."))


def _claimants(client: Client, name: str) -> set[str]:
    """The distributions known to provide a name, here or by the store's word.

    Raises:
        UnknownJob: there is none.
    """
    known = _installed(client.registry.snapshot(), name)
    known |= {entry.provider.dist for entry in client.store.catalogue.known([name])}
    known |= {owner.dist for owner in client.store.catalogue.owners([name]).values()}
    if not known:
        client.registry.ref(name)  # raises, with close names
    return known


def _installed(snapshot: Snapshot, name: str) -> set[str]:
    """The installed distributions that claim a name."""
    refs = snapshot.conflicts.get(name) or ()
    if name in snapshot.jobs:
        refs = (snapshot.jobs[name],)
    return {ref.dist for ref in refs}


def _option(pair: str) -> tuple[str, Any]:
    """An option and its value, checked; None takes it back."""
    import json

    from ..errors import BadInput
    from ..options import JobOptions

    option, equals, text = pair.partition("=")
    if option not in SETTABLE or not equals:
        from difflib import get_close_matches

        close = get_close_matches(option, SETTABLE, n=1)
        hint = f" Did you mean {close[0]!r}?" if close and option not in SETTABLE else ""
        raise BadInput(f"{pair[:80]!r} is not one of {', '.join(SETTABLE)}, with =VALUE.{hint}")
    if not text:
        return option, None
    value: Any = text
    if option != "queue":
        with suppress(ValueError):
            value = json.loads(text)
    return option, JobOptions(**{option: value}).to_wire()[option]
