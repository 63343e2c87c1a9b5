"""Wrong commands: a clear word on stderr, the right exit code, nothing on stdout, no traceback."""

from __future__ import annotations

import pytest

from jobreg import Registry
from jobreg.cli import run

NAME = "reports.render"
NO_RUN = "00000000-0000-7000-8000-000000000000"

USAGE = [
    # what the command line itself does not understand
    (["submt"], "No such command 'submt'. Did you mean 'submit'?"),
    (["runs", "shwo", NO_RUN], "Did you mean 'show'?"),
    (["submit"], "Missing argument 'NAME'"),
    (["submit", NAME, "--no-such-option"], "No such option"),
    (["submit", NAME, "--priority", "high"], "'high' is not a valid int"),
    (["runs", "list", "--limit", "many"], "'many' is not a valid int"),
    (["runs", "show"], "Missing argument 'ID'"),
    (["runs", "show", NO_RUN, "more"], "unexpected extra argument"),
]
BAD = [
    # what a command refuses
    (["submit", NAME, "account"], "'account' is not key=value"),
    (["submit", NAME, "=5"], "'=5' is not key=value"),
    (["submit", NAME, "--params", "{a}"], "--params is not JSON"),
    (["submit", NAME, "--params", "[1]"], "--params must be an object"),
    (["submit", NAME, "--params", '{"a": NaN}'], "params.a is nan"),
    (["submit", NAME, "--params", "[" * 100_000], "--params is not JSON"),
    (["submit", NAME, "a=1e999"], "params.a is inf"),
    (["submit", NAME, "a=" + "[" * 150 + "]" * 150], "levels deep"),
    (["submit", NAME, "--delay", "soon"], "delay: 'soon' is not a duration"),
    (["submit", NAME, "--delay", "-5s"], "delay: '-5s' is not a duration"),
    (["submit", NAME, "--timeout", "0"], "timeout: must be more than 0"),
    (["submit", NAME, "--at", "tomorrow"], "--at 'tomorrow' is not an ISO 8601 time"),
    (["submit", NAME, "--at", "0001-01-01T00:00"], "0001-01-01"),
    (["submit", NAME, "--at", "0001-01-01T00:00+05:00"], "0001-01-01"),
    (["submit", NAME, "--at", "9999-12-31T23:59-05:00"], "9999-12-31"),
    (["submit", NAME, "--at", "2090-01-01T00:00Z", "--delay", "5"], "delay or at, not both"),
    (["submit", NAME, "--queue", "no good"], "queue: 'no good' is not a queue name"),
    (["submit", NAME, "--priority", "99999"], "priority: '99999' is not a whole number"),
    (["submit", NAME, "--max-attempts", "0"], "max_attempts"),
    (["submit", NAME, "--max-crashes", "-1"], "max_crashes"),
    (["submit", NAME, "--run-id", "x"], "run id: 'x' is not a UUID"),
    (["submit", NAME, "--tag", ""], "tags"),
    (["submit", NAME, "--store", "postgresql://x/y"], "does not speak to postgresql"),
    (["run", NAME, "--delay", "soon"], "delay: 'soon' is not a duration"),
    (["runs", "list", "--state", "done"], "state: 'done' is none of scheduled, queued"),
    (["runs", "list", "--limit", "0"], "limit: '0' is not a whole number from 1 to 1000"),
    (["runs", "list", "--cursor", "x"], "cursor: 'x'"),
    (["runs", "show", "x"], "run id: 'x' is not a UUID"),
]
OTHER = [
    (["submit", "reports.rendr"], 3, "No job named 'reports.rendr' is installed here. Did you"),
    (["run", "reports.rendr"], 3, "No job named 'reports.rendr' is installed here. Did you"),
    (["runs", "show", NO_RUN], 3, f"No run {NO_RUN} in the store"),
    (["runs", "wait", NO_RUN], 3, f"No run {NO_RUN} in the store"),
    (["submit", "torn.job"], 4, "Job 'torn.job' is claimed by"),
    (["runs", "list", "--store", "/dev/null/jobs.db"], 5, "cannot be opened: "),
]


@pytest.fixture
def jobreg(run_cli, fake_plugins, tmp_path):
    fake_plugins.add("acme-reports", "1.0", {NAME: "acme.render:run", "torn.job": "acme.t:run"})
    fake_plugins.add("other", "1.0", {"torn.job": "other:run"})
    environ = fake_plugins.env(JOBREG_STORE=str(tmp_path / "jobs.db"))
    return lambda *arguments, **more: run_cli(*arguments, env={**environ, **more})


def short(value):
    return " ".join(value)[:40] if isinstance(value, list) else None


@pytest.mark.parametrize(("arguments", "told"), USAGE, ids=short)
def test_a_command_that_is_not_understood_is_told_with_its_usage(jobreg, arguments, told):
    done = jobreg(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("arguments", "told"), BAD, ids=short)
def test_a_value_that_cannot_be_is_refused_in_one_line(
    fake_plugins, tmp_path, monkeypatch, capsys, arguments, told
):
    # In this process, because there are many: what escaped run() would fail the test.
    fake_plugins.add("acme-reports", "1.0", {NAME: "acme.render:run"})
    monkeypatch.setattr("jobreg.registry._default", Registry(path=[str(fake_plugins.path)]))
    monkeypatch.setenv("JOBREG_STORE", str(tmp_path / "jobs.db"))

    code = run([*arguments, "--json"])

    stdout, stderr = capsys.readouterr()
    assert (code, stdout) == (2, "")
    assert stderr.startswith("jobreg: ")
    assert told in stderr
    assert stderr.count("\n") == 1
    assert len(stderr) < 1000


@pytest.mark.parametrize(("arguments", "code", "told"), OTHER, ids=short)
def test_what_is_not_there_or_torn_or_broken_has_a_code_of_its_own(jobreg, arguments, code, told):
    done = jobreg(*arguments, "--json")

    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("jobreg: ")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert "acme.render" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [("JOBREG_LEASE", "soon"), ("JOBREG_CONCURRENCY", "²"), ("JOBREG_MAX_PARAMS", "256KiB")],
)
def test_a_bad_variable_is_refused_by_its_name(jobreg, variable, value):
    done = jobreg("runs", "list", **{variable: value})

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"jobreg: {variable}: ")


def test_control_characters_of_an_argument_are_escaped(jobreg):
    done = jobreg("submit", "a\x1b[31mb\n")

    assert done.returncode == 3
    assert "\x1b" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [[], ["runs"], ["store"], ["submit"], ["runs", "wait"]])
def test_help_exits_0_and_names_the_command(jobreg, command):
    done = jobreg(*command, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(" ".join(["Usage: jobreg", *command]))
