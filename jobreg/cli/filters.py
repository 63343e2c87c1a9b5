"""The options that choose runs, for each command that takes some."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import click

from ..selection import Filters, time_or_ago
from . import complete_jobs
from .pairs import add_pairs, local_moment

F = TypeVar("F", bound=Callable[..., Any])


def complete_states(_context: object, _parameter: object, incomplete: str) -> list[str]:
    """The states that begin so, for the shell."""
    from ..lifecycle import State

    return [state.value for state in State if state.value.startswith(incomplete)]


def complete_reasons(_context: object, _parameter: object, incomplete: str) -> list[str]:
    """The reasons that begin so, for the shell."""
    from ..lifecycle import Reason

    return [reason.value for reason in Reason if reason.value.startswith(incomplete)]


def run_filters(command: F) -> F:
    """The options that choose runs, for each command that takes some; see :func:`filters_of`."""
    for option in (
        click.option(
            "--param", "params", metavar="PATH=VALUE", multiple=True,
            help="Only with this parameter; wants --job-name or --since.",
        ),
        click.option("--until", metavar="WHEN", help="Only submitted before."),
        click.option("--since", metavar="WHEN", help='Only submitted since: a time, or "2h" ago.'),
        click.option("--unique-key", metavar="KEY", help="Only submitted with this unique key."),
        click.option("--tag", "tags", metavar="TAG", multiple=True, help="Only with this tag."),
        click.option("--version", metavar="V", help="Only last run by this version."),
        click.option("--provider", metavar="DIST", help="Only last run by this distribution."),
        click.option("--queue", metavar="NAME", help="Only runs of this queue."),
        click.option(
            "--reason", metavar="REASON", shell_complete=complete_reasons,
            help="Only failed or cancelled for this reason, as timeout.",
        ),
        click.option(
            "--state", metavar="STATE", shell_complete=complete_states,
            help="Only runs in this state, as failed.",
        ),
        click.option(
            "--job-name", metavar="NAME", shell_complete=complete_jobs, help="Only of this job."
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def filters_of(asked: dict[str, Any]) -> Filters:
    """Take what :func:`run_filters` read out of a command's arguments: those that were given."""
    names = [name for name in Filters.__annotations__ if name in asked]
    given = {name: value for name in names if (value := asked.pop(name)) not in (None, ())}
    for name in ("since", "until"):
        if name in given:
            given[name] = time_or_ago(given[name], partial(local_moment, option=name))
    if "params" in given:
        given["params"] = add_pairs({}, given["params"])
    return cast(Filters, given)
