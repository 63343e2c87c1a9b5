"""``jobreg jobs sync``: tell the store what the jobs installed here are, before any runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from . import as_json, connected, output, store_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..catalogue import Entry, Owner
    from ..registry import JobRef, Snapshot

_COLOURS = {"ok": "green", "error": "red", "conflict": "red", "refused": "yellow"}


@click.command()
@as_json
@store_url
def sync(as_json: bool, store_url: str | None) -> int:
    """Import each installed job in a child, and keep in the store what it takes.

    For deployments: from then on every submit is judged by it, also where the plugin is not
    installed, and a name that belongs to nobody yet belongs to the distribution here. Exit 1
    where a job cannot be imported, its name is another's, or the store refuses what it says.

    \b
    Example: jobreg jobs sync
    """
    from attrs import evolve

    from ..catalogue import Entry
    from ..worker.probing import hellos

    client = connected(store_url)
    snapshot = client.registry.snapshot()
    owners = client.store.catalogue.owners()
    refs, rows = _own(snapshot, owners)
    with output.plugins_on_stderr():
        said = {ref.name: Entry.of(hello) for ref, hello in hellos(refs)}
    entries = [entry for entry in said.values() if entry is not None]
    learned, refused = client.store.catalogue.learn_each(entries, "sync")
    owners |= learned
    for entry, error in refused:
        trouble = f"The store does not keep what {entry.provider.dist} says of it: {error}"
        said[entry.job_name] = evolve(entry, trouble=trouble)
    rows += [_row(ref, said[ref.name], owners.get(ref.name)) for ref in refs]
    rows.sort(key=lambda row: row["name"])
    if as_json:
        output.print_json({"jobs": rows})
    else:
        _tell(rows)
    return 0 if all(row["state"] == "ok" for row in rows) else 1


def _own(snapshot: Snapshot, owners: dict[str, Owner]) -> tuple[list[JobRef], list[dict[str, Any]]]:
    """The jobs this installation may run, and the rows of those it may not."""
    refs, rows = [], []
    for name in sorted({*snapshot.jobs, *snapshot.conflicts}):
        owner = owners.get(name)
        ref = snapshot.pick(name, None if owner is None else owner.dist)
        if ref is not None:
            refs.append(ref)
            continue
        claimants = snapshot.conflicts.get(name) or (snapshot.jobs[name],)
        told = " and ".join(each.provider for each in claimants)
        if owner is None:
            state, trouble = "conflict", f"It is claimed by {told}."
        else:
            state, trouble = "refused", f"It belongs to {owner.dist}, and is claimed by {told}."
        way_out = f" To choose: jobreg jobs adopt {name} --from {claimants[0].dist}"
        nobody = {"dist": None, "version": None, "owner": owner and owner.dist, "summary": None}
        rows.append({"name": name, "state": state, **nobody, "trouble": trouble + way_out})
    return refs, rows


def _row(ref: JobRef, entry: Entry | None, owner: Owner | None) -> dict[str, Any]:
    trouble = "It did not answer." if entry is None else entry.trouble
    return {
        "name": ref.name,
        "state": "ok" if trouble is None else "error",
        "dist": ref.dist,
        "version": ref.version,
        "owner": owner and owner.dist,
        "summary": entry and entry.summary,
        "trouble": trouble,
    }


def _tell(rows: Iterable[dict[str, Any]]) -> None:
    cells = [
        (row["name"], f"{row['dist'] or ''} {row['version'] or ''}".strip(), row["state"])
        for row in rows
    ]
    if not cells:
        print("No jobs are installed here. Install a plugin that advertises some with pip.")
        return
    output.table(cells, ("NAME", "PROVIDER", "STATE"), colours=_COLOURS, keep=("NAME",))
    for row in rows:
        if row["trouble"]:
            print(output.safe(f"{row['name']}: {row['trouble']}"))
