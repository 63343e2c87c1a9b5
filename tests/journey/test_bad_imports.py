"""Plugins whose import misbehaves hurt their own jobs only; the cause is told everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from jobreg import Client, Registry

GOOD = "def work(n=1): return n\n"
# The source of each plugin, and what its runs come to: nothing, or a word of the true cause.
PLUGINS = {
    "raises": ("raise RuntimeError('no licence')\n", "RuntimeError: no licence"),
    "lacks": ("import no_such_dependency\n", "No module named 'no_such_dependency'"),
    "exits": ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
    "dies": ("import os\nos._exit(7)\n", "exit code 7"),
    "segfaults": ("import ctypes\nctypes.string_at(0)\n", "SIGSEGV"),
    "prints": (
        "import os, sys\nos.write(1, bytes(range(256)) * 100)\nprint('\\x1b[31m{', 'x' * 100_000)\n"
        + GOOD,
        None,
    ),
    "threads": (
        "import threading, time\n"
        "for _ in range(5): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        + GOOD,
        None,
    ),
    "closes": ("import os\nfor n in (0, 1, 2): os.close(n)\n" + GOOD, None),
    "good": (GOOD, None),
}
HANGS = {"hangs": ("import time\ntime.sleep(600)\n", "60 s")}


@pytest.mark.parametrize(
    "plugins",
    [PLUGINS, pytest.param(PLUGINS | HANGS, marks=pytest.mark.slow)],
    ids=["quick", "all"],
)
def test_a_bad_import_hurts_its_own_jobs_only(
    fake_plugins: Any, run_cli: Any, tmp_path: Any, plugins: dict[str, tuple[str, str | None]]
) -> None:
    for name, (source, _) in plugins.items():
        fake_plugins.add(
            name, "1.0", {f"{name}.job": f"plugin_{name}:work"}, {f"plugin_{name}.py": source}
        )
    client = Client(tmp_path / "jobs.db", Registry(path=[str(fake_plugins.path)]))
    environ = fake_plugins.env(JOBREG_STORE=client.settings.store)
    each = {name: 1 if name in HANGS else 3 for name in plugins}
    runs = {name: [client.submit(f"{name}.job") for _ in range(each[name])] for name in plugins}

    worker = subprocess.run(
        [sys.executable, "-m", "jobreg", "worker", "--until-idle", "--concurrency", "2"],
        env=environ, capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    doctor = run_cli("jobs", "doctor", "--import", "--json", env=environ, timeout=300)

    assert "Traceback" not in worker.stderr
    assert "\x1b" not in worker.stderr
    found = {each["name"]: each["message"] for each in json.loads(doctor.stdout)["problems"]}
    assert doctor.returncode == 1
    for name, (_, cause) in plugins.items():
        shown = json.loads(run_cli("jobs", "show", f"{name}.job", "--json", env=environ).stdout)
        for run in runs[name]:
            run.refresh()
            if cause is None:
                assert (run.state, run.result()) == ("succeeded", 1), name
                continue
            assert run.state == "failed", name
            assert run.error is not None
            assert cause in f"{run.error.message}\n{run.error.traceback}", name
            (attempt,) = run.attempts()
            assert attempt.outcome in ("error", "crashed", "timeout"), name
        if cause is None:
            assert (shown["trouble"], found.get(f"{name}.job")) == (None, None), name
        else:
            assert cause in shown["trouble"], name
            assert cause in found[f"{name}.job"], name
    client.close()
