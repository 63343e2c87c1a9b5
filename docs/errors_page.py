"""Makes docs/reference/errors.md from the tree of errors: ``python docs/errors_page.py``.

The page is committed, so that it can be read where it lies; a test holds it to the tree.
"""

from __future__ import annotations

import inspect
from pathlib import Path

from jobreg import errors

PAGE = Path(__file__).parent / "reference" / "errors.md"
HEAD = """\
# Errors

Every error is a `JobRegError`, so one `except` catches them all. Its message is one line that says
what happened, where, and what to do next. The command line prints that line on stderr, also with
`--json`, and exits with the error's `exit_code`. [Python](api.md#errors) lists the classes.

<!-- Made from jobreg/errors.py by docs/errors_page.py; do not edit. -->
"""


def children(kind: type) -> list[type]:
    """The direct subclasses that jobreg itself has, as they stand in its file."""
    return [each for each in vars(errors).values() if kind in getattr(each, "__bases__", ())]


def tree(kind: type = errors.JobRegError, before: str = "") -> list[str]:
    """The tree of classes as text."""
    found = children(kind)
    lines = []
    for each in found:
        last = each is found[-1]
        lines.append(f"{before}{'└── ' if last else '├── '}{each.__name__}")
        lines += tree(each, before + ("    " if last else "│   "))
    return lines


def walk(kind: type = errors.JobRegError) -> list[type]:
    """The classes, each followed by those below it."""
    return [kind, *(each for child in children(kind) for each in walk(child))]


def entry(kind: type) -> str:
    """What the page says of one class."""
    happened, _, following = inspect.getdoc(kind).partition("\n\nNext: ")
    code = getattr(kind, "exit_code", None)
    exits = "" if code is None else f"\n\nExit code {code}."
    happened = happened.replace("``", "`")
    following = following.replace("``", "`")
    return f"## {kind.__name__}\n\n{happened}{exits}\n\nWhat to do: {following}\n"


def page() -> str:
    """The whole page."""
    drawn = "\n".join([errors.JobRegError.__name__, *tree()])
    kinds = [*walk(), errors.Interrupted]
    return "\n".join([HEAD, f"```text\n{drawn}\n```\n", *map(entry, kinds)])


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
