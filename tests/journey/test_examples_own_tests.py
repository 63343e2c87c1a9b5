"""The example plugins pass their own tests, which are written with jobreg.testing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "example_plugins"
NAMES = sorted(each.parent.name for each in EXAMPLES.glob("*/tests"))


def test_every_example_has_tests() -> None:
    assert {each.parent.name for each in EXAMPLES.glob("*/pyproject.toml")} == set(NAMES)


def test_the_tests_of_the_examples_pass(environment: Any) -> None:
    together = [name for name in NAMES if name != "acme_reports-1.0"]
    environment.install(*together)

    told = environment.pytest(*(f"source-{name}/tests" for name in together))

    assert "8 passed" in told


def test_so_do_those_of_the_old_version(environment: Any) -> None:
    environment.install("acme_reports-1.0")

    assert "5 passed" in environment.pytest("source-acme_reports-1.0/tests")
