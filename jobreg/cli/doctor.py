"""``jobreg jobs doctor``: what is wrong with the jobs installed here, and the way out of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ..errors import StoreError
from . import as_json, connected, output, store_url

if TYPE_CHECKING:
    from ..catalogue import Owner
    from ..client import Client
    from ..registry import Snapshot
    from .findings import Finding


@click.command()
@click.option("--import", "importing", is_flag=True, help="Import each job too, in a child.")
@as_json
@store_url
def doctor(importing: bool, as_json: bool, store_url: str | None) -> int:
    """Look for what is wrong with the jobs installed here; exit 1 where there is an error.

    It reads metadata, source files and the store, and imports no job. With --import it also
    imports each job, in a process of its own that is thrown away, and tells what cannot be
    imported or is slow. Warnings break nothing of jobreg's now.

    \b
    Example: jobreg jobs doctor --import
    """
    from . import findings

    client = connected(store_url)
    snapshot = client.registry.snapshot()
    found, owners = _by_store(client, snapshot)
    found += findings.in_metadata(snapshot, owners)
    found += findings.in_editables(snapshot)
    missing = [*findings.in_source(snapshot)]
    if importing:
        with output.plugins_on_stderr():
            imported = [*findings.in_imports(snapshot, owners)]
        told = {each["name"] for each in imported}
        found += imported
        # The import has the last word on what reading the source had said.
        missing = [each for each in missing if each["name"] not in told]
    found += missing
    for each in found:
        each["severity"] = "warning" if each["code"] in findings.WARNINGS else "error"
        each["way_out"] = findings.WAYS_OUT[each["code"]]
    if as_json:
        output.print_json({"problems": found})
    else:
        _tell(found, len(snapshot.jobs), importing)
    return 1 if any(each["severity"] == "error" for each in found) else 0


def _by_store(client: Client, snapshot: Snapshot) -> tuple[list[Finding], dict[str, Owner]]:
    """What the store shows, if there is one, and whom the names belong to."""
    from .findings import in_store

    if not client.has_store():
        return [], {}
    try:
        return [*in_store(client, snapshot)], client.store.catalogue.owners()
    except StoreError as error:
        nobody = {"file": None, "line": None, "dist": None, "name": None}
        return [{"code": "store", "message": str(error), **nobody}], {}


def _tell(found: list[Finding], jobs: int, importing: bool) -> None:
    for each in found:
        owner = f" ({each['dist']})" if each["dist"] else ""
        told = output.safe(each["message"] + owner)
        colour = "red" if each["severity"] == "error" else "yellow"
        print(f"{each['severity']}: {output.paint(each['code'], colour)}: {told}")
        if each["file"]:
            where = each["file"] if each["line"] is None else f"{each['file']}:{each['line']}"
            print(f"  at {output.safe(where)}")
        print(f"  {each['way_out']}")
    errors = sum(each["severity"] == "error" for each in found)
    looked = "looked at and imported" if importing else "looked at"
    count = f"{_number(errors, 'error')}, {_number(len(found) - errors, 'warning')}"
    print(f"{count if found else 'No problems'}; {jobs} runnable jobs {looked}.")
    sys.stdout.flush()


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
