"""A real dashboard, a real worker and a real browser, for the tests of the pages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import field, frozen
from environs import clean_environ
from servers import REQUIRED
from waiting import until

from jobreg import Client, Registry
from jobreg.testing import write_plugin
from jobreg.web.access import new_token

JOBS = """
import logging
import time
from pathlib import Path

from jobreg import current_run, job


@job(queue="reports")
def render(account: int, title: str = "Monthly", draft: bool = False) -> dict:
    "Render a report of one account."
    logging.getLogger("acme").warning("rendering %s", title)
    return {"rows": account * 2, "title": title}


def step(folder: str, steps: int = 3) -> int:
    "Go a step further each time that a file is there."
    for number in range(steps):
        current_run().progress(number, steps, f"at step {number}")
        print("before step", number, flush=True)
        while not (Path(folder) / str(number)).exists():
            time.sleep(0.02)
    return steps


def broken(what: str = "do it") -> None:
    "Fail."
    raise ValueError(f"cannot {what}")
"""
NAMES = {
    "reports.render": "acme:render",
    "reports.step": "acme:step",
    "reports.broken": "acme:broken",
}

# Read when tests are collected: each test runs without any of our variables.
_KEPT = os.environ.get("JOBREG_SCREENSHOTS")


@frozen
class House:
    """Where a dashboard is served, on which store, and a token of each role."""

    url: str
    client: Client
    folder: Path
    tokens: dict[str, str] = field(factory=dict)


def chromium() -> str:
    """The browser; without it the test is skipped, or fails where it is required."""
    found = shutil.which("chromium")
    if found is None:
        if "chromium" in REQUIRED:
            pytest.fail("JOBREG_REQUIRE names chromium, but there is none", pytrace=False)
        pytest.skip("no chromium")
    return found


@contextmanager
def served(folder: Path, store: str, *, worker: bool = True) -> Iterator[House]:
    """Serve the dashboard of a store, with a worker that has the jobs; the server has none."""
    write_plugin(
        folder / "site", NAMES, dist="acme-reports", version="1.0", modules={"acme.py": JOBS}
    )
    environ = clean_environ(folder / "home") | {"JOBREG_STORE": store}
    with_jobs = environ | {"PYTHONPATH": str(folder / "site")}
    command = [sys.executable, "-m", "jobreg"]
    subprocess.run([*command, "jobs", "sync"], env=with_jobs, check=True, capture_output=True)
    client = Client(store, Registry(path=[str(folder / "site")]))
    tokens = {role: new_token(client.store, role) for role in ("read", "submit", "operate")}
    out = folder / "served.json"
    processes = []
    with out.open("wb") as told, (folder / "served.log").open("wb") as log:
        web = [*command, "web", "--port", "0", "--json"]
        processes.append(subprocess.Popen(web, env=environ, stdout=told, stderr=log))
        if worker:
            processes.append(subprocess.Popen([*command, "worker"], env=with_jobs, stderr=log))
    try:
        until(lambda: out.read_bytes().endswith(b"}\n"), 30, "the dashboard listens")
        yield House(json.loads(out.read_text())["url"], client, folder, tokens)
    finally:
        for process in processes:
            process.terminate()
        codes = [process.wait(30) for process in processes]
        client.close()
    assert codes == [0] * len(codes)


def screenshots(fallback: Path) -> Path:
    """Where pictures of the pages are kept: as JOBREG_SCREENSHOTS says, else beside the test."""
    folder = Path(_KEPT or fallback)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
