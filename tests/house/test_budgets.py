"""What starting may cost (design, section 10), in milliseconds.

Figures are the best of several fresh processes, taken beside bare Python's in the same minute; a
busy machine gets further tries. The budgets were set where bare Python takes 11 ms: they count
what comes on top of it, and go up and down with what bare Python takes in the same minute.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

BARE = 11
TRIES = 3
OVER_BARE = {
    "import jobreg": 5,
    "from jobreg import job": 40,
    "@job on a function": 40,
    "jobreg --help": 80 - BARE,
    "jobreg jobs list": 120 - BARE,
}


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    file = Path(__file__).parents[2] / "benchmarks" / "imports.py"
    spec = importlib.util.spec_from_file_location("benchmark_imports", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def overruns(best: Callable, parts: dict[str, list[str]]) -> dict[str, float]:
    times = best(parts)
    bare = times["bare python"]
    over = {name: (times[name] - bare) * BARE / bare for name in OVER_BARE}
    return {name: cost for name, cost in over.items() if cost > OVER_BARE[name]}


def test_starting_costs_what_it_may(benchmark):
    parts = {name: benchmark.PARTS[name] for name in ("bare python", *OVER_BARE)}

    for _ in range(TRIES):
        too_slow = overruns(benchmark.best, parts)
        if not too_slow:
            break

    assert too_slow == {}


def test_a_slow_plugin_costs_nothing_to_list(benchmark, fake_plugins, monkeypatch):
    sleepy = {"sleepy.py": "import time; time.sleep(5)"}
    fake_plugins.add("sleepy", "1.0", {"sleepy.job": "sleepy:job"}, sleepy)
    monkeypatch.setenv("PYTHONPATH", str(fake_plugins.path))

    spent = min(benchmark.milliseconds(benchmark.PARTS["jobreg jobs list"]) for _ in range(3))

    assert spent < 2500
