"""The environment that a process of the tests is given."""

from __future__ import annotations

import os
from pathlib import Path


def clean_environ(home: Path) -> dict[str, str]:
    """This process's environment without our settings, and with a home of its own."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("JOBREG_")}
    environ.pop("PYTHONPATH", None)
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    environ.update(HOME=str(home), XDG_DATA_HOME=str(home / "data"), NO_COLOR="1")
    return environ
