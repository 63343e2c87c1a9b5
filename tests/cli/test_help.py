"""Help: an example with every command, and a word for those who mistyped."""

from __future__ import annotations

import re
import shlex

import click
import pytest
from commands import NAME, SERVING, VALID, every_command, every_group

from jobreg.cli import cli, run

COMMANDS = dict(every_command())


def test_every_command_can_be_called_by_the_tests():
    assert set(VALID) == set(COMMANDS)


@pytest.mark.parametrize("path", sorted([*COMMANDS, *every_group()]))
def test_every_help_ends_with_one_example_that_click_understands(path, capsys):
    assert run([*path.split(), "--help"]) == 0

    shown = capsys.readouterr().out
    (example,) = re.findall(r"^  Example: (.*)$", shown, re.MULTILINE)
    words = shlex.split(re.sub(r'^eval "\$\((.*)\)"$', r"\1", example))
    assert words[0] == "jobreg"
    assert path in COMMANDS or not path or words[1] == path
    if path in COMMANDS:
        assert " ".join(words[1:]).startswith(path)
    context = cli.make_context("jobreg", words[1:], resilient_parsing=False)
    name, command, rest = cli.resolve_command(context, context._protected_args + context.args)
    while isinstance(command, click.Group):
        group = command.make_context(name, rest, parent=context)
        if path in SERVING:
            return
        name, command, rest = command.resolve_command(group, group._protected_args + group.args)
    command.make_context(name, rest, parent=context)  # raises where it is not understood


@pytest.mark.parametrize("path", sorted(set(every_group()) - SERVING))
def test_a_group_alone_shows_its_help(path, capsys):
    alone = run(path.split())
    out, err = capsys.readouterr()
    run([*path.split(), "--help"])

    assert (alone, err) == (0, "")
    assert out == capsys.readouterr().out


@pytest.mark.parametrize("path", every_group())
def test_the_help_of_a_group_names_each_command_with_a_word_about_it(path, capsys):
    run([*path.split(), "--help"])

    commands = capsys.readouterr().out.partition("\nCommands:\n")[2]
    told = {line.split()[0] for line in commands.splitlines() if re.match("  [a-z-]+  ", line)}
    start = f"{path} " if path else ""
    assert told == {
        each.removeprefix(start).split()[0] for each in COMMANDS if each.startswith(start)
    }


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["hepl"], "'--help'"),
        (["help"], "'--help'"),
        (["statsu"], "'status'"),
        (["runs", "cancle", "x"], "'cancel'"),
        (["jobs", "docter"], "'doctor'"),
        (["runs", "list", "--stat", "x"], "--state"),
        (["runs", "list", "--job-nmae", "x"], "--job-name"),
        (["submit", NAME, "--prioritty", "1"], "--priority"),
        (["worker", "--concurency", "1"], "--concurrency"),
        (["--verison"], "--version"),
        (["completion", "bsh"], "bash"),
        (["runs", "list", "--state", "fialed"], "failed"),
    ],
    ids=" ".join,
)
def test_close_words_are_offered(capsys, monkeypatch, tmp_path, typed, offered):
    monkeypatch.setenv("JOBREG_STORE", str(tmp_path / "jobs.db"))
    assert run(typed) == 2

    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert offered in err


def test_a_distribution_that_is_not_there_is_told_and_the_worker_goes_on(jobreg):
    done = jobreg("worker", "--until-idle", "--allow", "acme-report", "--deny", "Acme_Reports")

    assert done.returncode == 0
    told = [line for line in done.stderr.splitlines() if line.startswith("jobreg: ")]
    assert told == [
        "jobreg: No distribution 'acme-report' advertises jobs here. Did you mean acme-reports?"
    ]
