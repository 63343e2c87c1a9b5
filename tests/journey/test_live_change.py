"""A plugin is installed, upgraded, downgraded, uninstalled by pip under its own runs' load."""

from __future__ import annotations

import subprocess
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from jobreg import Client, Registry, Run

NAME = "live.version"
# The function moves between versions, and each version is told by two files: a mixture shows.
SOURCES = {
    "1.0": {
        "live_plugin/__init__.py": "",
        "live_plugin/version.py": "VERSION = '1.0'\n",
        "live_plugin/jobs.py": "from .version import VERSION\n"
        "def run(n): return [VERSION, '1.0']\n",
    },
    "1.1": {
        "live_plugin/__init__.py": "",
        "live_plugin/version.py": "VERSION = '1.1'\n",
        "live_plugin/moved.py": "from .version import VERSION\n"
        "def work(n): return [VERSION, '1.1']\n",
    },
}
TARGETS = {"1.0": "live_plugin.jobs:run", "1.1": "live_plugin.moved:work"}


def make_wheel(folder: Path, version: str) -> Path:
    """Write a wheel by hand (PyPA binary distribution format)."""
    info = f"live_plugin-{version}.dist-info"
    files = {
        **SOURCES[version],
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: live-plugin\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[jobreg.jobs]\n{NAME} = {TARGETS[version]}\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    wheel = folder / f"live_plugin-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel


class Feeder:
    """Submits runs without end, a few ahead of what is executed."""

    AHEAD = 20

    def __init__(self, client: Client) -> None:
        self.client = client
        self.runs: list[Run] = []
        self._over_by: dict[str, str] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._feed)

    @contextmanager
    def feeding(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()

    def _feed(self) -> None:
        while not self._over.wait(0.05):
            if self.unfinished() < self.AHEAD:
                self.runs.append(self.client.submit(NAME, {"n": len(self.runs)}))

    def unfinished(self) -> int:
        counts = self.client.store.counts()
        return counts["queued"] + counts["running"] + counts["scheduled"]

    def done_by(self, version: str, after: int) -> int:
        """How many of the runs submitted from then on that version has executed."""
        asked = self.runs[after:]
        # Who looks a hundred times a second must not take the core from pip.
        for run in asked:
            if run.id not in self._over_by and run.refresh().state == "succeeded":
                provider = run.record.provider
                assert provider is not None
                self._over_by[run.id] = provider.version
        return sum(self._over_by.get(run.id) == version for run in asked)


@pytest.mark.parametrize("times", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_no_run_fails_and_no_attempt_is_counted(
    environment: Any, tmp_path: Path, times: int
) -> None:
    wheels = {version: make_wheel(tmp_path, version) for version in SOURCES}
    pip = [sys.executable, "-m", "pip", "--python", str(environment.python), "-q",
           "--disable-pip-version-check"]  # fmt: skip

    def change(*arguments: str) -> None:
        subprocess.run([*pip, *arguments], env=environment.environ, check=True, timeout=120)

    def install(version: str) -> None:
        flags = ["--no-deps", "--no-index", "--force-reinstall"]
        change("install", *flags, str(wheels[version]))

    environment.jobreg("store", "upgrade")
    install("1.0")
    environment.jobreg("jobs", "sync")
    client = Client(environment.environ["JOBREG_STORE"], Registry(path=[]))
    feeder = Feeder(client)
    worker = environment.start("worker", "--concurrency", "2")
    with feeder.feeding():
        for _ in range(times):
            for version in ("1.0", "1.1", "1.0"):  # install, upgrade, downgrade
                install(version)
                begun = len(feeder.runs)
                until(lambda b=begun, v=version: feeder.done_by(v, b) >= 5, 60, f"{version} works")
            change("uninstall", "-y", "live-plugin")
            until(lambda: feeder.unfinished() >= Feeder.AHEAD, 60, "runs wait for the plugin")
        install("1.1")
        until(lambda: feeder.unfinished() < Feeder.AHEAD, 60, "what waited is executed")
    until(lambda: feeder.unfinished() == 0, 60, "all is done")
    worker.terminate()
    worker.wait(30)

    outcomes: Counter[str] = Counter()
    for run in feeder.runs:
        attempts = run.refresh().attempts()
        counted = [each for each in attempts if each.outcome != "released"]
        told = [(each.outcome, each.error and each.error.message) for each in counted]
        assert [each.outcome for each in counted] == ["succeeded"], told
        assert (run.record.tries, run.record.crashes) == (0, 0)
        provider = counted[0].provider
        assert provider is not None
        assert run.result() == [provider.version, provider.version]
        outcomes.update(each.outcome for each in attempts)
    client.close()
    print(dict(outcomes))
    assert outcomes["succeeded"] == len(feeder.runs)
