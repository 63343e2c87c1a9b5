"""``jobreg jobs``: what is installed here. Opens no store and imports no plugin."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from . import CommandGroup, as_json, complete_jobs, output, store_url

if TYPE_CHECKING:
    from ..registry import JobRef, Problem, Snapshot

_COLOURS = {
    "ok": "green",
    "alias": "green",
    "conflict": "red",
    "invalid": "red",
    "denied": "yellow",
}


_LATE = {"doctor": (".doctor:doctor", "Look for what is wrong with the jobs installed here.")}


@click.group(cls=CommandGroup, late=_LATE)
def jobs() -> None:
    """List, show and check the jobs installed here.

    \b
    Example: jobreg jobs list
    """


@jobs.command("list")
@as_json
@store_url
def list_jobs(as_json: bool, store_url: str | None) -> None:
    """List the jobs installed here, and what is wrong with any.

    \b
    Example: jobreg jobs list --json
    """
    from ..registry import default_registry

    snapshot = default_registry().snapshot()
    rows = _rows(snapshot)
    if as_json:
        problems = [problem_object(each) for each in snapshot.problems]
        output.print_json({"jobs": rows, "problems": problems})
        return
    if rows:
        output.table(map(_cells, rows), ("NAME", "PROVIDER", "STATE", "TARGET"), colours=_COLOURS)
    else:
        print("No jobs are installed here. Install a plugin that advertises some with pip.")
    sys.stdout.flush()
    _tell(snapshot.problems)


@jobs.command("show")
@click.argument("name", shell_complete=complete_jobs)
@as_json
@store_url
def show_job(name: str, as_json: bool, store_url: str | None) -> None:
    """Show where one job comes from.

    \b
    Example: jobreg jobs show reports.render
    """
    from ..registry import default_registry

    registry = default_registry()
    snapshot = registry.snapshot()
    row = next((each for each in _rows(snapshot) if each["name"] == name), None)
    if row is None:
        registry.ref(name)  # raises, with close names
        return
    shown = {**row, **_details(snapshot, row)}
    if as_json:
        output.print_json(shown)
        return
    claimants = shown.pop("claimants", [])
    problems = shown.pop("problems")
    shown["aliases"] = ", ".join(shown["aliases"]) or None
    output.fields((key.replace("_", " "), value) for key, value in shown.items())
    if claimants:
        print("Claimed by several distributions; uninstall or deny all but one:")
        headers = ("DIST", "VERSION", "TARGET", "LOCATION")
        output.table((list(each.values()) for each in claimants), headers)
    for each in problems:
        print(f"{each['code']}: {output.safe(each['message'])}")


def _rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The jobs as JSON, by name; where a name has several rows the runnable one comes first."""
    rows = []
    for name, ref in snapshot.jobs.items():
        alias_of = snapshot.aliases.get(name)
        row = _row(ref, "alias" if alias_of else "ok")
        rows.append({**row, "alias_of": alias_of} if alias_of else row)
    for name, refs in snapshot.conflicts.items():
        nobody = {"name": name, "target": None, "dist": None, "version": None, "state": "conflict"}
        rows.append({**nobody, "claimants": [_claimant(ref) for ref in refs]})
    rows.extend(_row(ref, "denied") for ref in snapshot.denied)
    rows.extend(_row(ref, "invalid") for ref in snapshot.invalid)
    return sorted(rows, key=lambda row: row["name"])


def _row(ref: JobRef, state: str) -> dict[str, Any]:
    return {
        "name": ref.name,
        "target": ref.target,
        "dist": ref.dist,
        "version": ref.version,
        "state": state,
    }


def _claimant(ref: JobRef) -> dict[str, str]:
    return {
        "dist": ref.dist,
        "version": ref.version,
        "target": ref.target,
        "location": ref.origin,
    }


def _cells(row: dict[str, Any]) -> tuple[str, str, str, str]:
    owners = row.get("claimants") or [row]
    providers = ", ".join(f"{owner['dist']} {owner['version']}".rstrip() for owner in owners)
    return row["name"], providers, row["state"], row["target"] or ""


def problem_object(problem: Problem) -> dict[str, Any]:
    """One problem as programs see it."""
    return {
        "code": problem.code,
        "message": problem.message,
        "file": problem.file,
        "line": problem.line,
        "dist": problem.dist,
        "name": problem.name,
    }


def _tell(problems: Iterable[Problem]) -> None:
    for each in problems:
        where = each.file if each.line is None else f"{each.file}:{each.line}"
        owner = f" ({each.dist})" if each.dist else ""
        message = f"{where}: {each.message}{owner}"
        print(f"jobreg: {each.code}: {output.safe(message)}", file=sys.stderr)


def _details(snapshot: Snapshot, row: dict[str, Any]) -> dict[str, Any]:
    name = row["name"]
    problems = [problem_object(each) for each in snapshot.problems if each.name == name]
    found: dict[str, Any] = {"file": None, "location": None, "editable": None}
    aliases: list[str] = []
    candidates = (*snapshot.jobs.values(), *snapshot.denied, *snapshot.invalid)
    mine = [ref for ref in candidates if ref.name == name and ref.dist == row["dist"]]
    if mine:
        ref = mine[0]
        editable = _editable(ref)
        found = {"file": _file(ref, editable), "location": ref.origin, "editable": editable}
        same = (each for each in snapshot.jobs.values() if each.dist == ref.dist)
        aliases = [each.name for each in same if each.target == ref.target and each.name != name]
    return {**found, "aliases": aliases, "problems": problems}


def _editable(ref: JobRef) -> str | None:
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


def _file(ref: JobRef, editable: str | None) -> str | None:
    """The file a job's module should be in; looked for, never imported."""
    module = ref.module.split(".")
    folders = [ref.origin]
    if editable:
        folders += [os.path.join(editable, "src"), editable]
    for folder in folders:
        path = os.path.join(folder, *module)
        for file in (f"{path}.py", os.path.join(path, "__init__.py")):
            if os.path.isfile(file):
                return file
    return None
