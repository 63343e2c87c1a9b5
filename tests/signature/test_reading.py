"""Annotations of every make: enforced where they can be, told where not, never a crash."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import functools
import json
import subprocess
import sys
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from kinds import Custom

from jobreg import ParamsRefused
from jobreg.signature.description import describe
from jobreg.signature.reading import read

if TYPE_CHECKING:
    from nowhere import Gone


class Mixed(enum.Enum):
    TEXT = "a"
    NUMBER = 1


@dataclasses.dataclass
class Holds:
    it: Gone


class Abrasive(type):
    def __getattr__(cls, name: str) -> object:
        raise RuntimeError(name)


class Rough(metaclass=Abrasive):
    pass


@dataclasses.dataclass
class Report:
    account: int
    title: str = "x"


def only_for_type_checkers(it: Gone): ...
def deep_within(it: list[dict[str, Gone]] | None): ...
def in_a_class_of_its_own(it: Holds): ...


def with_annotation(annotation: Any) -> Any:
    def job(it): ...

    job.__annotations__ = {"it": annotation}
    return job


@dataclasses.dataclass
class Area:
    w: int
    area: int = dataclasses.field(init=False)


@dataclasses.dataclass
class Twice:
    w: int

    def __init__(self, w: int) -> None:
        self.w = 2 * w


@attrs.define(init=False)
class Thrice:
    w: int

    def __init__(self, w: int) -> None:
        self.w = 3 * w


class Validated(Area):
    __pydantic_validator__ = None  # as a dataclass of pydantic has


HOSTILE = {
    "a class that computes a field": with_annotation(Area),
    "a class with an __init__ of its own": with_annotation(list[Twice]),
    "such a class of attrs": with_annotation(Thrice | None),
    "a class that pydantic makes": with_annotation(Validated),
    "a name for type checkers": only_for_type_checkers,
    "such a name deep within": deep_within,
    "such a name in a class": in_a_class_of_its_own,
    "a class of its own": with_annotation(Custom),
    "a list of those": with_annotation(list[Custom]),
    "those as keys": with_annotation(dict[Custom, int]),
    "paths as keys": with_annotation(dict[Path, int]),
    "a callable": with_annotation(typing.Callable[[int], int]),
    "an iterable": with_annotation(collections.abc.Iterable[int]),
    "a union msgspec cannot tell apart": with_annotation(str | Path),
    "two classes": with_annotation(Holds | Custom),
    "an enum of texts and numbers": with_annotation(Mixed),
    "a number": with_annotation(42),
    "a function": with_annotation(print),
    "a module": with_annotation(sys),
    "a text that is no Python": with_annotation("int int"),
    "a text that raises": with_annotation("1 / 0"),
    "a text within": with_annotation(list["Gone"]),
    "a text of nothing": with_annotation(""),
    "a text without end": with_annotation("[" * 5000),
    "a class with a metaclass that raises": with_annotation(Rough),
    "complex": with_annotation(complex),
    "never": with_annotation(typing.Never),
    "unpacked": with_annotation(typing.Unpack[Holds]),
}


@pytest.mark.parametrize("function", HOSTILE.values(), ids=HOSTILE)
def test_an_annotation_that_cannot_be_enforced_is_told_and_does_no_harm(function):
    binder = read(function, "a.job")

    assert binder.bind({"it": {"any": [1]}}, "Job 'a.job'") == ([], {"it": {"any": [1]}})
    assert len(binder.findings) == 1
    assert binder.findings[0].startswith("it: annotation ")
    assert "not enforced" in binder.findings[0]
    assert "\n" not in binder.findings[0]
    assert len(binder.findings[0]) < 700
    assert [each.enforced for each in describe(binder).parameters] == [False]


def test_one_odd_annotation_leaves_the_others_enforced():
    def job(a: Gone, b: int, **rest: Gone) -> Gone: ...

    binder = read(job, "a.job")

    assert list(binder.hints) == ["b"]
    names = [finding.partition(":")[0] for finding in binder.findings]
    assert names == ["a", "rest", "its result"]


def test_a_variable_of_the_function_itself_is_known():
    job = with_annotation("list[Whole]")  # def job[Whole: int](it: list[Whole]), of Python 3.12
    job.__type_params__ = (typing.TypeVar("Whole", bound=int),)
    binder = read(job, "a.job")

    assert binder.findings == ()
    assert binder.bind({"it": [1]}, "Job 'a.job'") == ([], {"it": [1]})
    with pytest.raises(ParamsRefused, match=r"it\[0\]: expected int"):
        binder.bind({"it": ["x"]}, "Job 'a.job'")


def test_an_annotation_is_read_in_the_module_that_wrote_it(tmp_path, monkeypatch):
    (tmp_path / "elsewhere_for_reading.py").write_text(
        "from __future__ import annotations\n"
        "from datetime import date as Day\n"
        "def job(day: Day): return day\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import elsewhere_for_reading

    binder = read(elsewhere_for_reading.job, "a.job")

    assert binder.findings == ()
    assert str(binder.bind({"day": "2026-01-31"}, "")[1]["day"]) == "2026-01-31"


LOOK = """
import sys
from jobreg.signature.reading import read
from typing import Any
def job(a, b=1, *args, c: Any, d: object, **rest): ...
def typed(a: int): ...
{code}
print("msgspec" in sys.modules)
"""


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("read(job, 'a.job').bind({'a': 1, 'c': 2, 'd': 3, 'e': 4}, '')", False),
        ("read(typed, 'a.job')", True),
    ],
)
def test_a_job_without_annotations_needs_no_msgspec(code, loaded):
    script = LOOK.format(code=code)

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout == f"{loaded}\n"


@pytest.mark.parametrize("function", [Report, functools.partial(Report, title="y")])
def test_a_class_takes_what_its_init_does_and_gives_what_nobody_says(function: Any) -> None:
    binder = read(function, "a.b")

    described = describe(binder)

    assert binder.bind({"account": 7}, "Job 'a.b'") == ([], {"account": 7})
    assert described.returns is None
    assert json.loads(described.result_schema).keys() == {"$schema"}
