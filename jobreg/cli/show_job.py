"""``jobreg jobs show``: all that is known of one job, here and in the store; imports none."""

from __future__ import annotations

from typing import Any

import click

from ..objects.jobs import job_object
from . import as_json, complete_jobs, connected, output, store_url


@click.command("show")
@click.argument("name", shell_complete=complete_jobs)
@as_json
@store_url
def show_job(name: str, as_json: bool, store_url: str | None) -> None:
    """Show all that is known of one job.

    Where it is, without importing it; to whom its name belongs; what it takes and its options,
    each with what it comes from, as workers and jobreg jobs sync told the store; its runs.

    \b
    Example: jobreg jobs show reports.render
    """

    shown = job_object(connected(store_url), name)
    if as_json:
        output.print_json(shown)
    else:
        _tell(shown)


def _tell(shown: dict[str, Any]) -> None:
    told = {key: shown[key] for key in ("name", "state", "summary", "signature", "target")}
    file = shown["file"]
    told["file"] = f"{file}:{shown['line']}" if file and shown["line"] else file
    told["provider"] = (
        f"{shown['dist']} {shown['version'] or ''}".rstrip() if shown["dist"] else None
    )
    told |= {key: shown[key] for key in ("location", "editable")}
    owner = shown["owner"]
    told["owner"] = owner and f"{owner['dist']}, since {owner['pinned_at']} ({owner['pinned_by']})"
    told["aliases"] = ", ".join(shown["aliases"]) or None
    took = shown["import_seconds"]
    told["import"] = took and f"{output.amount(float(f'{took:.2g}'))} s"
    told["runs"] = ", ".join(f"{n} {state}" for state, n in shown["runs"].items()) or None
    told["trouble"] = shown["trouble"]
    output.fields(told.items())
    if shown["options"]:
        rows = [
            (name, "none" if each["value"] is None else each["value"], each["source"])
            for name, each in shown["options"].items()
        ]
        print()
        output.table(rows, ("OPTION", "VALUE", "FROM"), keep=("OPTION",))
    elif shown["trouble"] is None:
        print("Its options and parameters are not known yet. See: jobreg jobs sync --help")
    _tell_claimants(shown)
    for each in shown["not_enforced"]:
        print(output.safe(f"not enforced: {each}"))
    for each in shown["problems"]:
        print(f"{each['code']}: {output.safe(each['message'])}")


def _tell_claimants(shown: dict[str, Any]) -> None:
    claimants = shown.get("claimants", [])
    if not claimants:
        return
    print()
    if shown["owner"] is None:
        print("Claimed by several; uninstall or deny all but one, or: jobreg jobs adopt --help")
    else:
        print(f"Claimed by several; it belongs to {output.safe(shown['owner']['dist'])}:")
    headers = ("DIST", "VERSION", "TARGET", "LOCATION")
    output.table((list(each.values()) for each in claimants), headers)
