"""An environment of its own into which the example plugins are pip-installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "example_plugins"


class Environment:
    """A virtual environment that has jobreg from the tests' own, and plugins by pip."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", symlinks=True)
        self.python = folder / "venv" / "bin" / "python"
        site = next((folder / "venv").glob("lib/python*/site-packages"))
        ours = sysconfig.get_path("purelib")
        # addsitedir, not a plain path: jobreg itself may be an editable install over there.
        (site / "tests.pth").write_text(f"import site; site.addsitedir({ours!r})\n")

    @property
    def environ(self) -> dict[str, str]:
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("JOBREG_", "PYTHON"))}
        store = str(self.folder / "jobs.db")
        return environ | {"JOBREG_STORE": store, "HOME": str(self.folder), "NO_COLOR": "1"}

    def install(self, *plugins: str | Path) -> None:
        """pip install example plugins, or those in folders, over what may be there of them."""
        origins = [EXAMPLES / plugin for plugin in plugins]
        sources = [self.folder / f"source-{origin.name}" for origin in origins]
        for origin, source in zip(origins, sources, strict=True):
            shutil.copytree(origin, source, dirs_exist_ok=True)
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "-q"]
        flags = ["--no-build-isolation", "--no-deps", "--no-index", "--disable-pip-version-check"]
        done = subprocess.run(
            [*command, *flags, *map(str, sources)],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start the command in the background."""
        return subprocess.Popen(
            [str(self.python), "-m", "jobreg", *arguments],
            env=self.environ,
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            **options,
        )

    def jobreg(self, *arguments: str, code: int = 0) -> str:
        """Run the command, check its exit code, and return what it printed."""
        done = subprocess.run(
            [str(self.python), "-m", "jobreg", *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.folder,
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    def pytest(self, *arguments: str) -> str:
        """Run pytest as a plugin's author does, see that it passes, and return what it printed."""
        done = subprocess.run(
            [str(self.python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.folder,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Run the command with ``--json`` and read its answer."""
        return json.loads(self.jobreg(*arguments, "--json", code=code))


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path)
