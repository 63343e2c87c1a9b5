"""The jobs installed here, and those the store knows, as programs see them; imports none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

if TYPE_CHECKING:
    from ..catalogue import Entry, Owner
    from ..client import Client
    from ..registry import JobRef, Problem, Snapshot


def job_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
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


def owned(
    rows: Iterable[dict[str, Any]], snapshot: Snapshot, owners: Mapping[str, Owner]
) -> list[dict[str, Any]]:
    """The rows by the store's word: a conflict that has an owner is settled, a stranger refused."""
    from ..codec import iso_time  # which `jobs list` does not need

    found = []
    for row in rows:
        owner = owners.get(row["name"])
        told = owner and {
            "dist": owner.dist,
            "pinned_by": owner.pinned_by,
            "pinned_at": iso_time(owner.pinned_at),
        }
        row = {**row, "owner": told}
        if owner is not None and row["state"] in ("ok", "alias", "conflict"):
            ref = snapshot.pick(row["name"], owner.dist)
            if ref is None:
                row["state"] = "refused"
            elif row["state"] == "conflict":
                row |= _row(ref, "ok")
        found.append(row)
    return found


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


def job_object(client: Client, name: str) -> dict[str, Any]:
    """All that is known of one job, here and in the store.

    Raises:
        UnknownJob: neither this installation nor the store knows it; with close names.
    """
    from ..registry.entry_points import name_fault

    snapshot = client.registry.snapshot()
    row = next((each for each in job_rows(snapshot) if each["name"] == name), None)
    # What is no name is in no store, and may be what a database does not take: a null byte.
    asks = name_fault(name) is None and client.has_store()
    stored = _Stored.of(client, name) if asks else _Stored()
    if row is None and not stored.entries:
        client.registry.ref(name)  # raises, with close names
    return _shown(snapshot, row or _elsewhere(name), stored)


def check_known(client: Client, name: str) -> None:
    """Refuse a job that neither this installation, a live worker, the store nor any run knows.

    Raises:
        UnknownJob: it is one; with close names.
        BadInput: it is no name.
    """
    from ..errors import BadInput
    from ..registry import unknown_job
    from ..registry.entry_points import name_fault

    fault = name_fault(name)
    if fault:
        raise BadInput(fault)
    snapshot = client.registry.snapshot()
    if any(row["name"] == name for row in job_rows(snapshot)):
        return
    known = client.store.catalogue.providers()
    if name in known or any(each.live and name in each.names for each in client.store.workers()):
        return
    if next(client.find(job_name=name, limit=1), None) is None:
        raise unknown_job(name, known | {each: ref.provider for each, ref in snapshot.jobs.items()})


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
    # What costs a distribution all of its jobs names none of them.
    invalid = row["state"] == "invalid"
    problems = [
        problem_object(each)
        for each in snapshot.problems
        if each.name == name or (invalid and each.name is None and each.dist == row["dist"])
    ]
    candidates = (*snapshot.allowed, *snapshot.denied, *snapshot.invalid)
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
