"""The tree of errors: drawn as it is, documented as it is, each with its way out."""

from __future__ import annotations

import copy
import importlib.util
import inspect
import pickle
from pathlib import Path

import pytest

import jobreg
from jobreg import errors

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def catalogue():
    spec = importlib.util.spec_from_file_location("errors_page", ROOT / "docs" / "errors_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_page_is_what_the_tree_gives(catalogue):
    assert catalogue.PAGE.read_text("utf-8") == catalogue.page(), "run docs/errors_page.py"


def test_the_tree_drawn_at_the_top_is_the_tree(catalogue):
    drawn = "\n".join([errors.JobRegError.__name__, *catalogue.tree()])

    assert f"\n{drawn}\n" in (errors.__doc__ or "")


def test_every_error_is_in_the_one_tree_and_public(catalogue):
    classes = {
        each for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, BaseException)
        and not each.__name__.startswith("_")  # never raised: it only carries text
    }  # fmt: skip

    assert classes == {*catalogue.walk(), errors.Interrupted}
    assert {each.__name__ for each in classes} <= set(jobreg.__all__)


def test_every_error_says_what_happened_and_what_to_do(catalogue):
    for each in (*catalogue.walk(), errors.Interrupted):
        happened, _, following = inspect.getdoc(each).partition("\n\nNext: ")

        assert each.__doc__ is not None
        assert happened.partition("\n")[0].endswith("."), each
        assert following.endswith("."), each


def test_no_error_is_raised_that_is_not_in_the_tree():
    """BadLineError is the scan's own: it is caught in the file that raises it."""
    import re

    raised = set()
    for file in (ROOT / "jobreg").rglob("*.py"):
        raised |= set(re.findall(r"raise ([A-Z]\w+)\(", file.read_text("utf-8")))

    # AssertionError: what an assertion of jobreg.testing says to a test.
    allowed = {"ValueError", "AttributeError", "AssertionError", "Interrupted"}
    # Caught by who converts: msgspec takes TypeError as its fault, the codec makes NotPlain one.
    # The scan catches its own OSError, of a file that is none.
    allowed |= {"TypeError", "NotPlain", "OSError"}
    # What the web answers with; who calls jobreg never meets it.
    allowed |= {"Problem"}
    assert raised - allowed <= set(jobreg.__all__)


MADE = {
    "BadInput": lambda: errors.BadInput("no", faults=("a", "b")),
    "UnknownJob": lambda: errors.UnknownJob("no", close=("a.b",)),
    "RunFailed": lambda: errors.RunFailed(
        "no", reason="error", error_type="KeyError", traceback="Traceback: 5"
    ),
    "JobLoadError": lambda: errors.JobLoadError("no", code="not_callable"),
    "RetryLater": lambda: errors.RetryLater("no", 5, after="30s"),
    "Snooze": lambda: errors.Snooze("1h", "no"),
}


@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy,
                                   copy.deepcopy], ids=["pickle", "copy", "deepcopy"])  # fmt: skip
def test_every_error_can_be_taken_to_another_process(catalogue, again):
    """A pool of processes that cannot read an error breaks, or waits for ever."""
    for kind in (*catalogue.walk(), errors.Interrupted):
        error = MADE.get(kind.__name__, lambda kind=kind: kind("no", 5))()

        came = again(error)

        assert type(came) is kind
        assert (str(came), came.args, vars(came)) == (str(error), error.args, vars(error))
        assert str(came.__cause__) == str(error.__cause__)
