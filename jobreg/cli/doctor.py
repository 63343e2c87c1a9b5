"""``jobreg jobs doctor``: what is wrong with the jobs installed here, and the way out of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from . import as_json, output, store_url
from .jobs import problem_object

if TYPE_CHECKING:
    from ..catalogue import Hello
    from ..registry import JobRef, Snapshot

SLOW = 5.0
"""Seconds an import may take before the doctor speaks of it: each new child pays them."""

_OTHERS_AT_ONCE = 4

_WAYS_OUT = {
    "bad_name": "Rename the entry point: words of a-z, 0-9 and '_', joined by dots.",
    "bad_target": "Write the entry point as name = module:function.",
    "bad_line": "Write the entry point as name = module:function.",
    "bad_encoding": "Save the distribution's metadata as UTF-8 and install it again.",
    "extras": "Leave out the extras; put what the job needs into the dependencies.",
    "bad_group": "Write [jobreg.jobs] on a line of its own, with both brackets.",
    "duplicate": "Take out one of the two entry points.",
    "too_large": "Install the distribution again, or another version; no entry points are so large.",
    "two_copies": "Install the distribution again, or remove the older of the two folders.",
    "unreadable": "Check the file and its permissions, or install the distribution again.",
    "conflict": "Uninstall all but one, or keep one out with JOBREG_DENY_DISTS.",
    "shadowed": "Uninstall one copy, or take its folder off the path.",
    "import_error": "Install what it needs, or another version of the distribution.",
    "not_callable": "Let the entry point name a function; tell the distribution's author.",
    "name_mismatch": "Let the entry point and @job(name=...) agree.",
    "died": "Import the module by hand in a Python of its own to see why.",
    "slow_import": "Import heavy modules inside the function instead of at the top.",
}


@click.command()
@click.option("--import", "importing", is_flag=True, help="Import each job too, in a child.")
@as_json
@store_url
def doctor(importing: bool, as_json: bool, store_url: str | None) -> int:
    """Look for what is wrong with the jobs installed here; exit 1 where something is.

    It reads metadata only. With --import it also imports each job, in a process of its own that
    is thrown away, and tells what cannot be imported or is slow.

    \b
    Example: jobreg jobs doctor --import
    """
    from ..registry import default_registry

    snapshot = default_registry().snapshot()
    found = [*_in_metadata(snapshot)]
    if importing:
        found += [problem for hello, ref in _hellos(snapshot) for problem in _in_import(hello, ref)]
    for each in found:
        each["way_out"] = _WAYS_OUT[each["code"]]
    if as_json:
        output.print_json({"problems": found})
    else:
        _tell(found, len(snapshot.jobs), importing)
    return 1 if found else 0


def _in_metadata(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    """The problems that reading the metadata shows."""
    yield from (problem_object(each) for each in snapshot.problems)
    for name, refs in snapshot.conflicts.items():
        owners = " and ".join(ref.provider for ref in refs)
        yield _problem("conflict", f"{name!r} is claimed by {owners}; it is run by none.", refs[0])
    for ref in snapshot.shadowed:
        message = f"{ref.name!r} of {ref.provider} is hidden by an earlier copy of {ref.dist}."
        yield _problem("shadowed", message, ref)


def _problem(code: str, message: str, ref: JobRef) -> dict[str, Any]:
    file = os.path.join(ref.metadata_path, "entry_points.txt")
    told = {"code": code, "message": message, "file": file, "line": None}
    return told | {"dist": None if code == "conflict" else ref.dist, "name": ref.name}


class _Unguarded:
    """No guard watches these children: they die with their forkserver, and it with us."""

    def watch(self, group: int) -> None:
        """Do nothing."""

    def forget(self, group: int) -> None:
        """Do nothing."""


def _hellos(snapshot: Snapshot) -> list[tuple[Hello, JobRef]]:
    """What each job says of itself when a child has imported it, by name."""
    from attrs import evolve

    from .. import settings
    from ..catalogue import Hello
    from ..engines.processes import ProcessEngine
    from ..events import listen
    from ..lifecycle import Provider

    chosen = settings.load()
    engine = ProcessEngine(
        evolve(chosen, concurrency=min(chosen.concurrency, _OTHERS_AT_ONCE)), _Unguarded()
    )
    said: dict[str, Hello] = {}
    deaf = listen(_pass_on)
    engine.start()
    try:
        for ref in snapshot.jobs.values():
            engine.probe(ref.name, ref.target, Provider(ref.dist, ref.version))
        while len(said) < len(snapshot.jobs):
            for report in engine.collect(0.5):
                if isinstance(report, Hello):
                    said[report.job_name] = report
    finally:
        engine.close()
        deaf()
    return [(said[name], snapshot.jobs[name]) for name in sorted(said)]


def _pass_on(event: str, facts: dict[str, object]) -> None:
    """What a plugin prints while it is imported goes to stderr, under its job's name."""
    if event == "child.output":
        click.echo(output.safe(f"{facts['job_name']}: {facts['text']}"), err=True)


def _in_import(hello: Hello, ref: JobRef) -> Iterator[dict[str, Any]]:
    """The problems of one job that importing it shows."""
    if hello.trouble is not None:
        known = not hello.cause or hello.cause in hello.trouble
        cause = "" if known else f" ({hello.cause})"
        told = f"{ref.target}: {hello.trouble}{cause}"
        yield _problem(hello.code or "import_error", told, ref)
    elif hello.seconds is not None and hello.seconds > SLOW:
        told = f"{ref.target}: importing it took {hello.seconds:.1f} s."
        yield _problem("slow_import", told, ref)


def _tell(found: list[dict[str, Any]], jobs: int, importing: bool) -> None:
    for each in found:
        where = each["file"] if each["line"] is None else f"{each['file']}:{each['line']}"
        owner = f" ({each['dist']})" if each["dist"] else ""
        told = output.safe(each["message"] + owner)
        print(f"{output.paint(each['code'], 'red')}: {told}")
        print(f"  at {output.safe(where)}")
        print(f"  {each['way_out']}")
    looked = "looked at and imported" if importing else "looked at"
    count = f"{len(found)} problem{'' if len(found) == 1 else 's'}"
    print(f"{count if found else 'No problems'}; {jobs} runnable jobs {looked}.")
    sys.stdout.flush()
