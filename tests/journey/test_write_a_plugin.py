"""The page for plugin authors holds a whole plugin with its test, and both work as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "write-a-plugin.md"
LINES = 60


def files_of_the_guide() -> dict[str, str]:
    """The files that the page gives: a paragraph that begins with a path, then a block of code."""
    part = GUIDE.read_text("utf-8").partition("## A plugin and its test\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^`([\w./]+)` [^`]*\n\n```\w+\n(.*?)^```$", part, re.M | re.S))


def test_a_plugin_and_its_test_take_less_than_sixty_lines() -> None:
    files = files_of_the_guide()

    lines = [line for text in files.values() for line in text.splitlines()]

    assert set(files) == {"pyproject.toml", "hello_jobs.py", "tests/test_hello_jobs.py"}
    assert 20 < len(lines) < LINES


def test_what_the_page_gives_can_be_installed_tested_and_run(environment: Any) -> None:
    folder = environment.folder / "hello"
    for name, text in files_of_the_guide().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    environment.install(folder)
    tested = environment.pytest("source-hello")
    (listed,) = environment.json("jobs", "list")["jobs"]
    run = environment.json("run", "hello.count", f"file={folder / 'pyproject.toml'}")

    assert "2 passed" in tested
    assert (listed["name"], listed["dist"], listed["state"]) == ("hello.count", "hello-jobs", "ok")
    assert run["result"]["lines"] == len((folder / "pyproject.toml").read_text().splitlines())
    assert run["progress"]["done"] == run["result"]["lines"]


def test_the_commands_of_the_page_are_those() -> None:
    told = GUIDE.read_text("utf-8").partition("```sh\n")[2].partition("```")[0].splitlines()

    assert told == [
        "pip install .",
        "python -m pytest",
        "jobreg jobs list",
        "jobreg run hello.count file=pyproject.toml",
    ]
