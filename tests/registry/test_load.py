"""The one door through which job code comes in."""

from __future__ import annotations

import sys

import pytest

from jobreg import Interrupted, JobLoadError, Registry
from jobreg.registry.load import load


@pytest.fixture
def plugin(fake_plugins, monkeypatch):
    """Write a module of a plugin and make it importable; returns its name."""
    monkeypatch.syspath_prepend(str(fake_plugins.path))
    written = []

    def write(source: str) -> str:
        name = f"plugin_for_load_{len(written)}"
        written.append(name)
        (fake_plugins.path / f"{name}.py").write_text(source)
        return name

    yield write
    for name in written:
        sys.modules.pop(name, None)


def test_the_function_comes_back_as_it_is(plugin):
    module = plugin("class Jobs:\n    @staticmethod\n    def work(n):\n        return n + 1\n")

    function = load("a.job", f"{module}:Jobs.work")

    assert function(1) == 2


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("class Odd(BaseException): ...\nraise Odd", "Odd"),
        ("class Odd(Exception):\n    __str__ = None\nraise Odd", "Odd"),
        ("def __getattr__(name):\n    raise OSError('lost')", "OSError: lost"),
        # what would name the job's own module or function to clients is left to the traceback
        ("def broken(:", "SyntaxError"),
        ("raise ImportError(f'no {__name__}')", "ImportError"),
        ("def __getattr__(name):\n    raise OSError(name)", "OSError"),
    ],
)
def test_whatever_an_import_raises_becomes_one_error_with_its_cause(plugin, source, told):
    module = plugin(source)

    with pytest.raises(JobLoadError) as got:
        load("a.job", f"{module}:work")

    assert str(got.value) == f"The code of job 'a.job' could not be imported: {told}"
    assert type(got.value.__cause__).__name__ == told.partition(":")[0]


@pytest.mark.parametrize(
    ("raised", "error"),
    [("KeyboardInterrupt", KeyboardInterrupt), ("__import__('jobreg').Interrupted", Interrupted)],
)
def test_an_interruption_passes(plugin, raised, error):
    module = plugin(f"raise {raised}")

    with pytest.raises(error):
        load("a.job", f"{module}:work")


def test_a_missing_function_is_named_in_the_cause_only(plugin):
    module = plugin("")

    with pytest.raises(JobLoadError, match=r"'a\.job' does not hold the function") as caught:
        load("a.job", f"{module}:gone_away")

    assert "gone_away" not in str(caught.value)
    assert module not in str(caught.value)
    assert "gone_away" in str(caught.value.__cause__)


def test_what_cannot_be_called_is_no_job(plugin):
    module = plugin("work = 42")

    with pytest.raises(JobLoadError, match=r"'a\.job' does not point to a function") as caught:
        load("a.job", f"{module}:work")

    assert module not in str(caught.value)
    assert f"{module}:work is a int" in str(caught.value.__cause__)


NAMED = "from jobreg import job\n@job(name='true.name')\ndef work(): ...\n"


def test_a_function_that_says_another_name_is_refused(plugin, fake_plugins):
    target = f"{plugin(NAMED)}:work"
    fake_plugins.add("acme", "1.0", {"wrong.name": target})

    with pytest.raises(JobLoadError, match=r"'wrong\.name' .* 'true\.name'"):
        Registry([str(fake_plugins.path)]).load("wrong.name")


def test_a_function_may_run_under_an_alias_of_the_name_it_says(plugin, fake_plugins):
    target = f"{plugin(NAMED)}:work"
    fake_plugins.add("acme", "1.0", {"true.name": target, "old.name": target})

    function = Registry([str(fake_plugins.path)]).load("old.name")

    assert function.__name__ == "work"


def test_without_a_registry_that_of_the_process_is_asked(plugin, fake_plugins, monkeypatch):
    target = f"{plugin(NAMED)}:work"
    fake_plugins.add("acme", "1.0", {"true.name": target, "old.name": target})
    monkeypatch.setattr("jobreg.registry._default", None)

    function = load("old.name", target)

    assert function.__name__ == "work"


def test_loading_one_job_imports_its_module_only(plugin, fake_plugins):
    mine, other = plugin("def work(): ..."), plugin("raise AssertionError('imported')")
    fake_plugins.add("acme", "1.0", {"mine": f"{mine}:work", "other": f"{other}:work"})

    Registry([str(fake_plugins.path)]).load("mine")

    assert mine in sys.modules
    assert other not in sys.modules
