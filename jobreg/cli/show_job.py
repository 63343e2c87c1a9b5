"""``jobreg jobs show``: all that is known of one job, here and in the store; imports none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
from attrs import field, frozen

from . import as_json, complete_jobs, output, store_url
from .jobs import job_rows, owned, problem_object

if TYPE_CHECKING:
    from ..catalogue import Entry, Owner
    from ..client import Client
    from ..registry import JobRef, Snapshot


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
    from ..client import Client

    client = Client(store_url)
    snapshot = client.registry.snapshot()
    row = next((each for each in job_rows(snapshot) if each["name"] == name), None)
    stored = _Stored.of(client, name) if client.has_store() else _Stored()
    if row is None and not stored.entries:
        client.registry.ref(name)  # raises, with close names
    shown = _shown(snapshot, row or _elsewhere(name), stored)
    if as_json:
        output.print_json(shown)
    else:
        _tell(shown)


@frozen
class _Stored:
    """What the store knows of one job; nothing, where there is no store yet."""

    entries: list[Entry] = field(factory=list)
    owners: dict[str, Owner] = field(factory=dict)
    overrides: dict[str, Any] = field(factory=dict)
    runs: dict[str, int] = field(factory=dict)

    @classmethod
    def of(cls, client: Client, name: str) -> _Stored:
        known = client.store.catalogue
        overrides = known.overrides().get(name, {})
        return cls(known.known([name]), known.owners([name]), overrides, known.counts(name))


def _elsewhere(name: str) -> dict[str, Any]:
    return {"name": name, "target": None, "dist": None, "version": None, "state": "elsewhere"}


def _shown(snapshot: Snapshot, row: dict[str, Any], stored: _Stored) -> dict[str, Any]:
    entries = stored.entries
    (row,) = owned([row], snapshot, stored.owners)
    shown = {**row, **_place(snapshot, row)}
    mine = [each for each in entries if each.provider.dist == row["dist"]]
    said = [each for each in mine if each.provider.version == row["version"]] or mine or entries
    entry = said[0] if said else None
    takes = None if entry is None else entry.takes()
    return {
        **shown,
        "summary": entry and entry.summary,
        "signature": None if takes is None else str(takes),
        "params_schema": entry and entry.params_schema,
        "not_enforced": [] if takes is None else list(takes.findings),
        "trouble": entry and entry.trouble,
        "import_seconds": entry and entry.import_seconds,
        "known_as": entry and {"dist": entry.provider.dist, "version": entry.provider.version},
        "options": _options(entry, stored.overrides),
        "runs": stored.runs,
    }


def _place(snapshot: Snapshot, row: dict[str, Any]) -> dict[str, Any]:
    """File, line, location, aliases and problems: what the metadata and the source say."""
    from ..registry.locate import locate

    name = row["name"]
    problems = [problem_object(each) for each in snapshot.problems if each.name == name]
    conflicts = [ref for refs in snapshot.conflicts.values() for ref in refs]
    candidates = [*snapshot.jobs.values(), *conflicts, *snapshot.denied, *snapshot.invalid]
    ref = next((each for each in candidates if (each.name, each.dist) == (name, row["dist"])), None)
    found: dict[str, Any] = {"file": None, "line": None, "location": None, "editable": None}
    aliases: list[str] = []
    if ref is not None:
        editable = editable_origin(ref)
        sources = [] if editable is None else [os.path.join(editable, "src"), editable]
        where = locate(ref, [ref.origin, *sources])
        found = {"file": where.file, "line": where.line, "location": ref.origin}
        found["editable"] = editable
        same = (each for each in snapshot.jobs.values() if each.dist == ref.dist)
        aliases = [each.name for each in same if each.target == ref.target and each.name != name]
    return {**found, "aliases": aliases, "problems": problems}


def editable_origin(ref: JobRef) -> str | None:
    """The folder an editable installation was made from, by its direct_url.json (PEP 610)."""
    import json

    try:
        with open(os.path.join(ref.metadata_path, "direct_url.json"), "rb") as stream:
            source = json.load(stream)
        if source["dir_info"]["editable"] is not True:
            return None
        url = str(source["url"])
    except (OSError, ValueError, KeyError, TypeError):  # none there, or not as it should be
        return None
    from urllib.parse import unquote

    return unquote(url.removeprefix("file://"))


def _options(entry: Entry | None, overrides: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
    """Each option's value and source: ``set`` by an operator, ``job`` or ``default``."""
    from ..options import DEFAULTS

    if entry is None or entry.options is None:
        return {
            name: {"value": value, "source": "set"} for name, value in overrides.items()
        } or None
    defaults = DEFAULTS.to_wire()
    found = {}
    for name, value in entry.options.items():
        source = "default" if value == defaults.get(name) else "job"
        found[name] = {"value": value, "source": source}
        if name in overrides:
            found[name] = {"value": overrides[name], "source": "set"}
    return found


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
    told["import"] = shown["import_seconds"] and f"{shown['import_seconds']:.2g} s"
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
