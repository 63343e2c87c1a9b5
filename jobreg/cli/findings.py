"""What can be wrong with installed jobs: each check yields findings, and imports nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..objects.jobs import problem_object

if TYPE_CHECKING:
    from ..catalogue import Hello, Owner
    from ..client import Client
    from ..registry import JobRef, Snapshot

Finding = dict[str, Any]

SLOW = 5.0
"""Seconds an import may take before the doctor speaks of it: each new child pays them."""

WAYS_OUT = {
    "bad_name": "Rename the entry point: words of a-z, 0-9 and '_', joined by dots.",
    "bad_target": "Write the entry point as name = module:function.",
    "bad_line": "Write the entry point as name = module:function.",
    "bad_encoding": "Save the distribution's metadata as UTF-8 and install it again.",
    "extras": "Leave out the extras; put what the job needs into the dependencies.",
    "bad_group": "Write the group as [jobreg.jobs] on a line of its own.",
    "bad_provider": "Give the distribution another name or version, or tell its author.",
    "too_large": "Tell the distribution's author; nothing of it is read.",
    "two_copies": "Uninstall the distribution and install it again.",
    "duplicate": "Take out one of the two entry points.",
    "unreadable": "Check the file and its permissions, or install the distribution again.",
    "conflict": "Uninstall all but one, or choose one with: jobreg jobs adopt NAME --from DIST.",
    "settled_conflict": "Nothing has to be done; uninstalling the others would end it.",
    "refused": "Nothing, or let it have the name with: jobreg jobs adopt NAME --from DIST.",
    "shadowed": "Uninstall one copy, or take its folder off the path.",
    "missing_target": "Install another version of the distribution, or tell its author.",
    "import_error": "Install what it needs, or another version of the distribution.",
    "not_callable": "Let the entry point name a function; tell the distribution's author.",
    "name_mismatch": "Let the entry point and @job(name=...) agree.",
    "engine_mismatch": "Use engine='asyncio' for 'async def', 'threads' for other functions only.",
    "redact_mismatch": "Let @job(redact=...) name parameters of the function; tell its author.",
    "died": "Import the module by hand in a Python of its own to see why.",
    "slow_import": "Import heavy modules inside the function instead of at the top.",
    "stale_editable": "Install it again with pip install -e, which writes its entry points anew.",
    "other_line": "Nothing for jobreg; tell the distribution's author, others cannot read it.",
    "other_encoding": "Nothing for jobreg; tell the distribution's author, others cannot read it.",
    "unknown_name": "Install its plugin where a worker runs, or cancel: jobreg runs cancel --help.",
    "queued_params": "Cancel these runs, or let a version that takes them run them first.",
    "store": "Check --store and JOBREG_STORE; see: jobreg store status.",
}

WARNINGS = frozenset({
    "unreadable", "too_large", "two_copies", "settled_conflict", "refused", "shadowed",
    "slow_import", "stale_editable", "other_line", "other_encoding", "unknown_name",
    "queued_params",
})  # fmt: skip
"""What is worth a word and breaks nothing of ours now; all else is an error."""


def in_metadata(snapshot: Snapshot, owners: Mapping[str, Owner]) -> Iterator[Finding]:
    """What reading the metadata shows, by the store's word on whose a name is."""
    from ..registry.other_groups import faults

    yield from (problem_object(each) for each in snapshot.problems)
    yield from (problem_object(each) for each in faults(sys.path))
    for name, refs in snapshot.conflicts.items():
        told = " and ".join(ref.provider for ref in refs)
        owner = owners.get(name)
        if owner is None:
            message = f"{name!r} is claimed by {told}; it is run by none."
            yield _finding("conflict", message, refs[0]) | {"dist": None}
        else:
            message = f"{name!r} is claimed by {told}; it belongs to {owner.dist}, who runs it."
            yield _finding("settled_conflict", message, refs[0]) | {"dist": None}
    for name, ref in snapshot.jobs.items():
        owner = owners.get(name)
        if owner is not None and snapshot.pick(name, owner.dist) is None:
            message = f"{name!r} belongs to {owner.dist}; that of {ref.provider} is not run."
            yield _finding("refused", message, ref)
    for ref in snapshot.shadowed:
        kept = snapshot.jobs.get(ref.name)
        if kept and (kept.dist, kept.version, kept.target) == (ref.dist, ref.version, ref.target):
            continue  # an editable installation beside its source: twice the same
        message = f"{ref.name!r} of {ref.provider} is hidden by an earlier copy of {ref.dist}."
        yield _finding("shadowed", message, ref)


def in_source(snapshot: Snapshot) -> Iterator[Finding]:
    """What reading the jobs' source shows: targets that are not there, names that differ."""
    from ..registry.locate import locate

    for ref in snapshot.allowed:
        where = locate(ref, [ref.origin] if ref.origin else [])
        if where.found is False:
            lacks = f"{where.file} holds no {ref.attr}" if where.file else f"no module {ref.module}"
            yield _finding("missing_target", f"{ref.target}: {lacks}.", ref)
        elif where.declared not in (None, *snapshot.names_of(ref.target)):
            message = f"{ref.target} says it is job {where.declared!r}."
            found = _finding("name_mismatch", message, ref)
            yield found | {"file": where.file, "line": where.line}


def in_editables(snapshot: Snapshot) -> Iterator[Finding]:
    """Editable installations whose pyproject.toml or setup.cfg is newer than their metadata."""
    from ..objects.jobs import editable_origin

    seen = set()
    for ref in snapshot.allowed:
        if ref.metadata_path in seen:
            continue
        seen.add(ref.metadata_path)
        folder = editable_origin(ref)
        if folder is None:
            continue
        written = _mtime(os.path.join(ref.metadata_path, "entry_points.txt"))
        for name in ("pyproject.toml", "setup.cfg", "setup.py"):
            source = os.path.join(folder, name)
            if _mtime(source) > written:
                message = f"{source} was changed after {ref.dist} was installed from it."
                yield _finding("stale_editable", message, ref) | {"name": None}
                break


def in_store(client: Client, snapshot: Snapshot) -> Iterator[Finding]:
    """What the store shows: names nobody here knows, and parameters that would be refused."""
    workers = [worker for worker in client.store.workers() if worker.live]
    known = {*snapshot.jobs, *snapshot.conflicts}
    nobody = {"file": None, "line": None, "dist": None}
    for name, number in client.store.catalogue.unfinished().items():
        if name in known or any(name in worker.names for worker in workers):
            continue
        runs = f"{number} unfinished run{'' if number == 1 else 's'}"
        message = f"{runs} of {name!r}, which nothing here and no live worker provides."
        yield {"code": "unknown_name", "message": message, **nobody, "name": name}
    yield from _params(client, snapshot)


def _params(client: Client, snapshot: Snapshot) -> Iterator[Finding]:
    import json

    from ..judge import faults
    from ..lifecycle import Provider
    from ..redaction import hidden_of
    from ..signature.refusal import hiding

    entries = client.store.catalogue.known(client.store.catalogue.unfinished())
    for entry in entries:
        ref = snapshot.jobs.get(entry.job_name)
        takes = entry.params_schema
        if ref is None or takes is None or entry.provider != Provider(ref.dist, ref.version):
            continue
        bad = [
            (run_id, params)
            for run_id, params in client.store.catalogue.waiting_params(entry.job_name)
            if next(faults(takes, json.loads(params)), None)
        ]
        if bad:
            run_id, params = bad[0]
            versions = (each for each in entries if each.job_name == entry.job_name)
            with hiding(hidden_of(versions, params, client.settings.redact).text):
                told = "; ".join(faults(takes, json.loads(params)))
            message = (
                f"{len(bad)} waiting runs of {ref.name!r} have params that {ref.provider} would "
                f"refuse; {run_id}: {told[:300]}."
            )
            yield _finding("queued_params", message, ref)


def in_imports(snapshot: Snapshot, owners: Mapping[str, Owner]) -> Iterator[Finding]:
    """What importing each job shows, each distribution in a child of its own."""
    from ..worker.probing import hellos

    names = {*snapshot.jobs, *snapshot.conflicts}
    chosen = (
        snapshot.pick(name, None if name not in owners else owners[name].dist)
        for name in sorted(names)
    )
    said = {ref.name: (ref, hello) for ref, hello in hellos(ref for ref in chosen if ref)}
    for name in sorted(said):
        ref, hello = said[name]
        yield from in_hello(hello, ref)


def in_hello(hello: Hello, ref: JobRef) -> Iterator[Finding]:
    """What one import shows."""
    if hello.trouble is not None:
        known = not hello.cause or hello.cause in hello.trouble
        cause = "" if known else f" ({hello.cause})"
        told = f"{ref.target}: {hello.trouble}{cause}"
        yield _finding(hello.code or "import_error", told, ref)
    elif hello.seconds is not None and hello.seconds > SLOW:
        told = f"{ref.target}: importing it took {hello.seconds:.1f} s."
        yield _finding("slow_import", told, ref)


def _finding(code: str, message: str, ref: JobRef) -> Finding:
    file = os.path.join(ref.metadata_path, "entry_points.txt") if ref.metadata_path else None
    told = {"code": code, "message": message, "file": file, "line": None}
    return told | {"dist": ref.dist, "name": ref.name}


def _mtime(file: str) -> float:
    try:
        return os.stat(file).st_mtime
    except OSError:
        return 0.0
