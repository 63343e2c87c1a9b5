"""What the documents must name, and what they promise that can be tried."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from attrs import fields

import jobreg
from jobreg.cli import CommandGroup, cli
from jobreg.options import JobOptions
from jobreg.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^(```+).*?^\1$", re.MULTILINE | re.DOTALL)
EVENT = re.compile(r'"((?:run|lease|worker|child|job|store)\.(?!html")[a-z]+)"')


def commands(group: CommandGroup = cli, path: str = "jobreg") -> Iterator[tuple[str, str]]:
    """Every command as typed, each option of it beside it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, CommandGroup):
            yield from commands(command, f"{path} {name}")
        if not isinstance(command, CommandGroup) or command.invoke_without_command:
            for option in option_names(command):
                yield f"{path} {name}", option


def option_names(command: click.Command) -> list[str]:
    options = [each for each in command.params if isinstance(each, click.Option)]
    return [name for each in options for name in (*each.opts, *each.secondary_opts)]


def sections(page: str) -> dict[str, str]:
    """The text under each heading of the second level."""
    parts = re.split(r"^## (.*)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def events_in_code() -> set[str]:
    files = (ROOT / "jobreg").rglob("*.py")
    return {name for file in files for name in EVENT.findall(file.read_text("utf-8"))}


def words(text: str) -> set[str]:
    """What stands in backticks, up to the first space."""
    return {each.split()[0] for each in re.findall(r"`([^`\n]+)`", text) if each.split()}


def modules() -> list[str]:
    found = pkgutil.walk_packages(jobreg.__path__, "jobreg.")
    return [
        each.name for each in found if not each.name.startswith(("jobreg.__", "jobreg.store.mig"))
    ]


def setup_commands(readme: str) -> list[str]:
    return re.findall(r"^<!-- set-up: \w+ -->\n```sh\n(.+)\n```$", readme, re.MULTILINE)


def test_every_option_of_every_command_is_documented():
    page = (DOCS / "reference" / "cli.md").read_text("utf-8")
    told = sections(page)
    shared = words(page.partition("\n## ")[0])
    missing = []

    for command, option in commands():
        heading = next((each for each in told if f"{each} ".startswith(f"{command} ")), None)
        text = told.get(heading or "", "")
        if command == "jobreg run":  # it takes what submit takes
            text += next(told[each] for each in told if each.startswith("jobreg submit "))
        if heading is None or option not in shared | words(text):
            missing.append(f"{command} {option}")

    assert missing == []


def test_no_command_is_documented_that_is_not_there():
    told = sections((DOCS / "reference" / "cli.md").read_text("utf-8"))
    headings = [each for each in told if each.startswith("jobreg ")]
    known = {command for command, _ in commands()}

    unknown = [each for each in headings if not any(f"{each} ".startswith(f"{k} ") for k in known)]

    assert unknown == []


def test_every_route_is_documented_with_its_role_and_no_other():
    from jobreg.web.routes import ROUTES

    page = (DOCS / "reference" / "rest.md").read_text("utf-8")

    told = re.findall(r"^\| `([A-Z]+) (\S+)` \| (\w*) ?\|", page, re.MULTILINE)

    assert sorted(told) == sorted((each.method, each.path, each.role or "") for each in ROUTES)


def test_every_filter_of_the_rest_interface_is_documented():
    from jobreg.web.routes import ROUTES

    page = (DOCS / "reference" / "rest.md").read_text("utf-8")
    taken = {each.name for route in ROUTES for each in route.parameters}
    taken |= {name for route in ROUTES for name in (route.body or {}).get("properties", ())}

    assert taken - words(page) - {"all", "dry_run", "follow"} == set()
    assert '`"all": true`' in page
    assert '`"dry_run": true`' in page
    assert "`follow=true`" in page


def test_every_setting_is_documented_and_no_other():
    page = (DOCS / "reference" / "settings.md").read_text("utf-8")

    told = {each for each in words(page) if each.startswith("JOBREG_")}

    assert told == {f"JOBREG_{field.name.upper()}" for field in fields(Settings)}


def test_every_event_is_documented_and_no_other():
    page = (DOCS / "reference" / "events.md").read_text("utf-8")

    told = re.findall(r"^\| `([a-z.]+)` \|", page, re.MULTILINE)

    assert sorted(told) == sorted(events_in_code())


def test_the_events_module_lists_every_event_and_no_other():
    from jobreg import events

    listed = re.findall(r"\b[a-z]+\.[a-z]+\b", (events.__doc__ or "").partition("\n\n")[2])

    assert sorted(listed) == sorted(events_in_code())


def test_every_public_name_is_documented():
    page = (DOCS / "reference" / "api.md").read_text("utf-8")

    told = set(re.findall(r"\bjobreg\.(\w+)", page))

    assert set(jobreg.__all__) - told == set()


@pytest.mark.parametrize("kind", [jobreg.Run, jobreg.AsyncRun])
def test_all_that_can_be_asked_of_a_run_is_documented(kind):
    """Inherited or not: the page is made of the names given here, and of no others."""
    page = (DOCS / "reference" / "api.md").read_text("utf-8")
    public = {name for name in dir(kind) if not name.startswith("_")} | {"record"}

    (told,) = re.findall(rf"autoclass:: jobreg\.{kind.__name__}\n   :members: (.+)\n", page)

    assert set(told.split(", ")) == public


def test_the_plugin_guide_tells_every_option_of_a_job_with_its_default():
    page = (DOCS / "guides" / "write-a-plugin.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", sections(page)["Options"], re.MULTILINE)
    plain = {each.name: each.default for each in fields(JobOptions)}

    told = {name: default.strip('`"') for name, default in rows}

    assert list(told) == list(plain)
    for name, default in plain.items():
        if isinstance(default, str | int):
            assert told[name] == str(default), name
        elif default is None and name != "engine":
            assert told[name] == "none", name


def test_every_name_of_the_testing_module_is_documented_and_no_other():
    from jobreg import testing

    page = (DOCS / "reference" / "testing.md").read_text("utf-8")

    assert set(re.findall(r":: jobreg\.testing\.(\w+)", page)) == set(testing.__all__)


@pytest.mark.parametrize("name", modules())
def test_the_examples_in_docstrings_hold(name, tmp_path, monkeypatch):
    monkeypatch.setenv("JOBREG_STORE", str(tmp_path / "jobs.db"))
    monkeypatch.chdir(tmp_path)

    result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)

    assert result.failed == 0


def test_there_are_examples_in_docstrings():
    finder = doctest.DocTestFinder(exclude_empty=True)
    names = ("Client", "Registry", "Worker", "current_run", "job", "submit")

    without = [
        name
        for name in names
        if not any(each.examples for each in finder.find(getattr(jobreg, name), name))
    ]

    assert without == []


def test_the_readme_has_exactly_two_set_up_commands():
    readme = (ROOT / "README.md").read_text("utf-8")

    found = setup_commands(readme)

    assert len(found) == 2
    assert readme.count("<!-- set-up:") == 2
    assert readme.count("python3 -m venv") == 2
    assert all(command.startswith("python3 -m venv .venv && ") for command in found)


def test_the_quick_start_gives_the_readmes_first_command():
    first, _ = setup_commands((ROOT / "README.md").read_text("utf-8"))

    assert first in (DOCS / "quickstart.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_resolve(page):
    text = CODE.sub("", page.read_text("utf-8"))
    targets = [each.partition("#")[0] for each in LINK.findall(text) if "://" not in each]

    broken = [each for each in targets if each and not (page.parent / each).exists()]

    assert broken == []


def test_every_page_is_in_the_table_of_contents():
    pages = {page.relative_to(DOCS).with_suffix("").as_posix() for page in DOCS.rglob("*.md")}
    listed = {"index"}

    for index in (DOCS / "index.md", DOCS / "decisions" / "index.md"):
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", index.read_text("utf-8"), re.DOTALL):
            names = [line for line in tree.splitlines() if line and not line.startswith(":")]
            folder = index.parent.relative_to(DOCS)
            listed |= {(folder / name).as_posix() for name in names}

    assert pages == listed
