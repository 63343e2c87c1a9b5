"""``jobreg store``: look at the store, and upgrade its schema."""

from __future__ import annotations

import click

from . import CommandGroup, as_json, output, store_url


@click.group(cls=CommandGroup)
def store() -> None:
    """Look at the store, and upgrade it.

    \b
    Example: jobreg store status
    """


@store.command()
@as_json
@store_url
def status(as_json: bool, store_url: str | None) -> None:
    """Show where the store is, its schema version, its runs, and the settings in force.

    \b
    Example: jobreg store status --store /var/lib/app/jobs.db
    """
    from attrs import asdict

    from .. import settings
    from ..store import exists, open_store, schema

    chosen = settings.load(store=store_url)
    told: dict[str, object] = {"url": chosen.store, "exists": exists(chosen.store)}
    counts: dict[str, int] = {}
    if told["exists"]:
        opened = open_store(chosen.store, check=False)
        version = schema.version_of(opened)
        told |= {"url": opened.url, "schema_version": version}
        counts = opened.counts() if version is not None else {}
    told["needs_version"] = schema.VERSION
    told["runs"] = counts
    in_force = asdict(chosen) | {"store": told["url"]}
    if as_json:
        output.print_json(told | {"settings": in_force})
        return
    told["runs"] = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    output.fields((key.replace("_", " "), value) for key, value in told.items())
    print()
    rows = ((f"JOBREG_{key.upper()}", _plain(value)) for key, value in in_force.items())
    output.table(rows, ("SETTING", "VALUE"))


@store.command()
@as_json
@store_url
def upgrade(as_json: bool, store_url: str | None) -> None:
    """Bring the store's schema to the version of this jobreg. Workers may go on meanwhile.

    \b
    Example: jobreg store upgrade
    """
    from .. import settings
    from ..store import open_store, schema

    opened = open_store(settings.load(store=store_url).store, check=False)
    before = schema.version_of(opened)
    schema.upgrade(opened)
    after = schema.version_of(opened)
    if as_json:
        output.print_json({"url": opened.url, "from": before, "to": after})
    elif before == after:
        print(f"{opened.url} has version {after} already.")
    else:
        print(f"{opened.url} went from version {before or 'none'} to {after}.")


def _plain(value: object) -> object:
    return ",".join(map(str, value)) if isinstance(value, tuple) else value
