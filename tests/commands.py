"""Every command of the command line, and a way to call each that works."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
from mlflow_table import mlflow_file, mlflow_row

from jobreg.cli import CommandGroup, cli

NAME = "reports.render"
QUEUED = "01a00000-0000-7000-8000-000000000001"
FAILED = "01a00000-0000-7000-8000-000000000002"
DONE = "01a00000-0000-7000-8000-000000000003"
TOKEN = "jobreg_of-the-tests"

_FOLDER = Path(tempfile.mkdtemp(prefix="jobreg-mlflow-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
MLFLOW = mlflow_file(_FOLDER / "mlflow.db", [mlflow_row(1, NAME)])

VALID = {
    "jobs list": [],
    "jobs show": [NAME],
    "jobs doctor": [],
    "jobs sync": [],
    "jobs adopt": [NAME, "--from", "acme-reports"],
    "jobs set": [NAME, "priority=1"],
    "jobs lazy-check": ["json"],
    "submit": [NAME],
    "run": [NAME],
    "runs list": [],
    "runs show": [DONE],
    "runs wait": [DONE],
    "runs logs": [DONE],
    "runs why": [QUEUED],
    "runs cancel": [QUEUED],
    "runs retry": [FAILED],
    "status": [],
    "worker": ["--until-idle"],
    "workers list": [],
    "workers drain": ["--all"],
    "queues list": [],
    "queues pause": ["mail"],
    "queues resume": ["mail"],
    "selftest": ["--kills", "1"],
    "bench": ["--runs", "100"],
    "web token": [],
    "web tokens": [],
    "web revoke": [TOKEN],
    "store prune": ["--dry-run"],
    "store rename-job": [NAME, "reports.draw", "--dry-run"],
    "store import-mlflow": [f"sqlite:///{MLFLOW}", "--dry-run", "--skip"],
    "store status": [],
    "store upgrade": [],
    "completion": ["bash"],
}
"""Arguments with which each command does what it is for, in a store that holds these runs."""

SERVING = {"web"}
"""Groups that do something by themselves, until they are told to stop."""

STORELESS = {"jobs list", "jobs lazy-check", "completion"}
"""Commands that open no store, so that what is wrong with it does not concern them."""

LONG = {"selftest", "bench"}
"""Commands that work for seconds, and print at their end by the same means as the others."""

DOCTOR = {"jobs doctor"}
"""To whom a store that cannot be used is a finding among others."""


def every_command(group: CommandGroup = cli, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Each command as typed, groups left out, with what click knows of it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, CommandGroup):
            yield from every_command(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def every_group() -> list[str]:
    """Each group as typed; the root is the empty text."""
    return sorted({"", *(path.rpartition(" ")[0] for path, _ in every_command())})


def call(path: str, *more: str) -> list[str]:
    """A whole command line that works, with more arguments at its end."""
    return [*path.split(), *VALID[path], *more]
