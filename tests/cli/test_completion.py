"""Completion: what a shell is told, by the real protocol, and in bash itself."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from commands import every_command, every_group

from jobreg.lifecycle import State


@pytest.fixture
def environ(fake_plugins, tmp_path):
    """Jobs whose import would be seen, and a store that must not be made."""
    jobs = {"reports.render": "guest:f", "reports.profile": "guest:g", "mail.send": "guest:h"}
    trace = {"guest.py": f"open({str(tmp_path / 'imported')!r}, 'w').close()"}
    fake_plugins.add("acme-reports", "1.0", jobs, trace)
    return fake_plugins.env(JOBREG_STORE=str(tmp_path / "jobs.db"))


@pytest.fixture
def complete(run_cli, environ, tmp_path):
    """What is offered for the last word of a command line."""

    def ask(line):
        words = shlex.split(line) + ([""] if line.endswith(" ") else [])
        asked = {
            "_JOBREG_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        }
        done = run_cli(env=environ | asked)
        assert (done.returncode, done.stderr) == (0, "")
        assert not (tmp_path / "imported").exists()
        assert not (tmp_path / "jobs.db").exists()
        return [each.partition(",")[2] for each in done.stdout.split()]

    return ask


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("jobreg s", ["submit", "status", "selftest", "store"]),
        ("jobreg jobs ", ["list", "show", "doctor", "sync", "adopt", "set", "lazy-check"]),
        ("jobreg runs c", ["cancel"]),
        ("jobreg submit rep", ["reports.profile", "reports.render"]),
        ("jobreg run m", ["mail.send"]),
        ("jobreg jobs show mail.", ["mail.send"]),
        ("jobreg runs list --job-name m", ["mail.send"]),
        ("jobreg runs cancel --state qu", ["queued"]),
        ("jobreg runs list --state ", [state.value for state in State]),
        ("jobreg runs list --st", ["--state", "--store"]),
        ("jobreg worker --allow ac", ["acme-reports"]),
        ("jobreg completion ", ["bash", "zsh", "fish"]),
        (
            "jobreg jobs no-such-command ",
            ["list", "show", "doctor", "sync", "adopt", "set", "lazy-check"],
        ),  # as if it were not there
    ],
)
def test_what_is_offered(complete, line, offered):
    assert complete(line) == offered


def test_a_name_is_adopted_from_those_that_claim_it(complete, fake_plugins):
    fake_plugins.add("other-mail", "1.0", {"mail.send": "other_mail:f"})

    claimed_by_two = complete("jobreg jobs adopt mail.send --from ")
    begun = complete("jobreg jobs adopt mail.send --from ot")
    claimed_by_one = complete("jobreg jobs adopt reports.render --from ")

    assert claimed_by_two == ["acme-reports", "other-mail"]
    assert begun == ["other-mail"]
    assert claimed_by_one == ["acme-reports"]


def test_the_root_and_each_group_offer_all_their_commands(complete):
    for group in every_group():
        line = f"jobreg {group} " if group else "jobreg "
        start = f"{group} " if group else ""
        mine = {
            path.removeprefix(start).split()[0]
            for path, _ in every_command()
            if path.startswith(start)
        }

        assert set(complete(line)) == mine


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_lines_for_a_shell_are_printed(run_cli, shell):
    done = run_cli("completion", shell, check=True)

    assert done.stderr == ""
    assert f"_JOBREG_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.parametrize("given", [["tcsh"], []])
def test_where_no_shell_is_named_that_we_know_they_are_told_in_one_line(run_cli, given):
    done = run_cli("completion", *given)

    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"jobreg: .*'SHELL'.*bash'?, '?zsh'?, '?fish.*\n", done.stderr)
    assert "\\" not in done.stderr


bash = shutil.which("bash")


@pytest.mark.skipif(bash is None, reason="no bash here")
def test_bash_itself_completes_a_job_name(environ, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "jobreg"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m jobreg "$@"\n')
    script.chmod(0o755)
    lines = """
        eval "$(jobreg completion bash)"
        complete -p jobreg
        COMP_WORDS=(jobreg submit mail) COMP_CWORD=2
        _jobreg_completion jobreg mail submit
        echo "${COMPREPLY[@]}"
    """

    done = subprocess.run(
        [bash, "--norc", "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=True,
        env=environ | {"PATH": f"{folder}:{os.environ['PATH']}"},
    )  # fmt: skip

    assert done.stderr == ""
    assert done.stdout.splitlines()[0].endswith("-F _jobreg_completion jobreg")
    assert done.stdout.splitlines()[-1] == "mail.send"
