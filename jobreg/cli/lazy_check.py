"""``jobreg jobs lazy-check``: does importing an application's module import job code?"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import Any

import click

from . import as_json, output, store_url

LIMIT = 60.0
"""Seconds the module may take to import."""

# Runs in a fresh interpreter. Who asked for a module is whose code the nearest frame runs that is
# not the import system's, which has another name until something imports importlib. What it needs
# afterwards it has in hand before: the module may replace anything, and close every descriptor.
# A process that the module forks comes to the end of the import as well; it tells nothing.
_WATCH = """
import json, os, sys
from json import dumps
from os import _exit, getpid
module, answer, first = sys.argv[1], sys.argv[2], getpid()
write = open
sys.argv[1:] = []
sys.path.insert(0, os.getcwd())
importers = {}

class Watch:
    def find_spec(self, name, path=None, target=None):
        frame, system = sys._getframe(1), ("importlib", "_frozen_importlib")
        while frame and str(frame.f_globals.get("__name__")).partition(".")[0] in system:
            frame = frame.f_back
        importers.setdefault(name, frame.f_globals.get("__name__") if frame else None)

told = None
sys.meta_path.insert(0, Watch())
try:
    try:
        __import__(module)
    except BaseException as error:
        lost = isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")
        told = ["not_found" if lost else "raised", f"{type(error).__name__}: {error}"]
    if getpid() == first:
        seen = {"loaded": sorted(sys.modules), "importers": importers, "error": told}
        with write(answer, "w") as file:
            file.write(dumps(seen))
        sys.stdout.flush()
finally:
    _exit(0)
"""


@click.command("lazy-check")
@click.argument("module")
@as_json
@store_url
def lazy_check(module: str, as_json: bool, store_url: str | None) -> int:
    """Import a module in a fresh process, and tell which job code came along.

    An application that submits runs needs the names of jobs, not their code. This names each
    module that holds an installed job and was imported with MODULE, and the chain of imports
    that led to it. Exit 1 where there is one, or where MODULE cannot be imported.

    \b
    Example: jobreg jobs lazy-check json.tool
    """
    from ..errors import BadInput, NotFound
    from ..registry import default_registry

    if not all(part.isidentifier() for part in module.split(".")):
        raise BadInput(f"{module[:200]!r} is not the name of a module, such as shop.web.")
    seen = _import_elsewhere(module)
    kind, error = seen["error"] or (None, None)
    if kind == "not_found":
        raise NotFound(f"There is no module {module!r} here: {error}. Look at the folder.")
    findings = _findings(default_registry().snapshot(), module, seen)
    if as_json:
        output.print_json({"module": module, "error": error, "findings": findings})
    else:
        _tell(module, error, findings)
    return 1 if findings or error else 0


def _import_elsewhere(module: str) -> dict[str, Any]:
    # A pipe would be full before the end of a long answer.
    with tempfile.NamedTemporaryFile() as answer:
        process = subprocess.Popen(
            [sys.executable, "-c", _WATCH, module, answer.name],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno() if _has_stderr() else subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            return _untold(f"Importing it took longer than {LIMIT:g} s")
        finally:
            _end_all(process)
        said = answer.read()
    try:
        seen: dict[str, Any] = json.loads(said)
    except ValueError:
        if process.returncode:
            return _untold(f"Importing it ended the process (exit code {process.returncode})")
        return _untold("Its process ended before it could tell what was imported")
    return seen


def _untold(why: str) -> dict[str, Any]:
    return {"loaded": [], "importers": {}, "error": ["raised", why]}


def _end_all(process: subprocess.Popen[bytes]) -> None:
    """End a process, and whatever it left: a pool, say, whose workers wait for more for ever."""
    with suppress(ProcessLookupError, PermissionError):  # nobody is left in its group
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _has_stderr() -> bool:
    try:
        return sys.stderr.fileno() >= 0
    except (OSError, ValueError, AttributeError):
        return False


def _findings(snapshot: Any, module: str, seen: dict[str, Any]) -> list[dict[str, Any]]:
    names: dict[str, list[str]] = {}
    for ref in (*snapshot.allowed, *snapshot.denied):
        names.setdefault(ref.module, []).append(ref.name)
    loaded = set(seen["loaded"])
    return [
        {
            "module": each,
            "job_names": sorted(set(names[each])),
            "chain": _chain(each, module, seen["importers"]),
        }
        for each in sorted(names)
        if each in loaded
    ]


def _chain(found: str, module: str, importers: dict[str, str | None]) -> list[str]:
    """Who imported whom, from the module that was asked for to the one found."""
    chain = [found]
    while chain[0] != module:
        importer = importers.get(chain[0])
        if importer is None or importer == "__main__" or importer in chain:
            break
        chain.insert(0, importer)
    return chain if chain[0] == module else [module, *chain]


def _tell(module: str, error: str | None, findings: list[dict[str, Any]]) -> None:
    for each in findings:
        print(output.safe(f"{each['module']} ({', '.join(each['job_names'])})"))
        print(output.safe(f"  {' -> '.join(each['chain'])}"))
    if error:
        print(output.safe(f"{module} cannot be imported: {error}."))
    elif not findings:
        print(output.safe(f"Importing {module} imports no job."))
