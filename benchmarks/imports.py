"""What it costs to start: bare Python, our imports, and the two commands that open no store.

Run it as ``python benchmarks/imports.py``. Each figure is the best of several fresh processes,
in milliseconds, because a busy machine only ever adds to it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

PARTS = {
    "bare python": ["-c", "pass"],
    "import jobreg": ["-c", "import jobreg"],
    "from jobreg import job": ["-c", "from jobreg import job"],
    "@job on a function": ["-c", "from jobreg import job; job()(lambda: None)"],
    "import attrs": ["-c", "import attrs"],
    "import click": ["-c", "import click"],
    "jobreg --help": ["-m", "jobreg", "--help"],
    "jobreg jobs list": ["-m", "jobreg", "jobs", "list"],
    "jobreg jobs list --json": ["-m", "jobreg", "jobs", "list", "--json"],
}


def milliseconds(arguments: list[str]) -> float:
    """Time one fresh interpreter. Bytecode is kept, as it is where jobreg is installed."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], env=environ, capture_output=True, check=True)
    return (time.perf_counter() - start) * 1000


def best(parts: dict[str, list[str]], rounds: int = 7) -> dict[str, float]:
    """Time the parts in turns, so that a busy moment hits all alike, and take each one's best."""
    for arguments in parts.values():
        milliseconds(arguments)  # writes the bytecode
    found: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(rounds):
        for name, arguments in parts.items():
            found[name].append(milliseconds(arguments))
    return {name: min(times) for name, times in found.items()}


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser().parse_args()
    times = best(PARTS)
    bare = times["bare python"]
    print(f"{'':26}{'ms':>8}{'over bare':>12}")
    for name, value in times.items():
        print(f"{name:26}{value:8.1f}{value - bare:12.1f}")


if __name__ == "__main__":
    main()
