"""What ``jobreg run`` tells people on stderr of a run that does not go well."""

from __future__ import annotations

import re

import pytest
from commands import NAME


@pytest.fixture
def tells(jobreg, fake_plugins):
    """Run a job with this source, and give the lines of stderr."""

    def run(source, *arguments):
        fake_plugins.add("acme-reports", "2.0", {NAME: "acme:run"}, {"acme.py": source})
        done = jobreg("run", NAME, *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        *lines, see = done.stderr.splitlines()
        assert re.fullmatch(r"See: jobreg runs show [0-9a-f-]{36}", see)
        return lines

    return run


def test_refused_params_are_told_once(tells):
    (line,) = tells("def run(name): pass\n", "nme=Ada")

    assert line.startswith(f"jobreg: {NAME} failed (refused): ParamsRefused: ")


def test_an_import_that_fails_is_told_from_the_plugin_on(tells):
    first, where, *_, cause, last = tells("import no_such_module\n")

    assert first == "Traceback (most recent call last):"
    assert re.search(r'acme.py", line 1', where)
    assert cause == "ModuleNotFoundError: No module named 'no_such_module'"
    assert last.startswith(f"jobreg: {NAME} failed (error): JobLoadError: ")
    assert last.endswith(cause)


def test_each_attempt_that_will_be_followed_by_another_is_told(tells):
    source = "import jobreg\n@jobreg.job(backoff=jobreg.Backoff(0))\ndef run(): 1 / 0\n"
    lines = tells(source, "--max-attempts", "3")

    again = [line for line in lines if line.startswith("jobreg: attempt ")]
    assert again == [
        "jobreg: attempt 1 ended: error; it will be tried again.",
        "jobreg: attempt 2 ended: error; it will be tried again.",
    ]
