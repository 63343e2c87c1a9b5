"""``jobreg jobs lazy-check``: does importing an application's module import job code?"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import Any

import click

from . import as_json, output, store_url

LIMIT = 60.0
"""Seconds the module may take to import."""

# Runs in a fresh interpreter. Who asked for a module is whose code the nearest frame runs that is
# not the import system's, which has another name until something imports importlib.
_WATCH = """
import json, os, sys
module, answer = sys.argv[1], int(sys.argv[2])
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
    __import__(module)
except BaseException as error:
    lost = isinstance(error, ModuleNotFoundError) and (module + ".").startswith(f"{error.name}.")
    told = ["not_found" if lost else "raised", f"{type(error).__name__}: {error}"]
answer = os.fdopen(answer, "w")
json.dump({"loaded": sorted(sys.modules), "importers": importers, "error": told}, answer)
answer.flush()
try:
    sys.stdout.flush()
finally:
    os._exit(0)
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
    with tempfile.TemporaryFile() as answer:  # a pipe would be full before the end of a long one
        process = subprocess.Popen(
            [sys.executable, "-c", _WATCH, module, str(answer.fileno())],
            pass_fds=[answer.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno() if _has_stderr() else subprocess.DEVNULL,
        )
        try:
            process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            told = ["raised", f"Importing it took longer than {LIMIT:g} s"]
            return {"loaded": [], "importers": {}, "error": told}
        finally:
            process.kill()
            process.wait()
        answer.seek(0)
        said = answer.read()
    if not said:
        told = ["raised", f"Importing it ended the process (exit code {process.returncode})"]
        return {"loaded": [], "importers": {}, "error": told}
    seen: dict[str, Any] = json.loads(said)
    return seen


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
