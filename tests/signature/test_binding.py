"""Stored parameters become arguments of the annotated types, or every misfit is named."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
    Union,
)
from uuid import UUID

import msgspec
import pytest
from kinds import (
    Cat,
    Colour,
    Dog,
    Fixed,
    Folder,
    Level,
    Line,
    Mostly,
    Options,
    Order,
    Partly,
    Picky,
    Point,
    Positive,
    Rights,
    Row,
    Shade,
)
from typing_extensions import TypeAliasType

from jobreg import JobLoadError, ParamsRefused
from jobreg.runner import binder_of, call
from jobreg.signature.conversion import faults
from jobreg.signature.reading import read
from jobreg.signature.refusal import hiding

ID = UUID("6f1d8a4e-5c55-4a3e-9d6e-1a2b3c4d5e6f")
EAST = timezone(timedelta(hours=2))
UserId = NewType("UserId", int)


def takes(annotation: Any, *default: Any) -> Any:
    """A job of one parameter ``it`` that returns what it was given."""

    def job(it):
        return it

    job.__annotations__ = {"it": annotation}
    job.__defaults__ = default or None
    return job


def run(function: Any, params: dict[str, Any]) -> Any:
    stored = json.loads(json.dumps(params))
    return call(function, read(function, "a.job").bind(stored, "Job 'a.job'"))


def refusal(function: Any, params: dict[str, Any]) -> str:
    with pytest.raises(ParamsRefused) as refused:
        run(function, params)
    return str(refused.value)


# annotation, what JSON gives, what the job gets
FITS = [
    (int, 5, 5),
    (int, 10**30, 10**30),
    (float, 5, 5.0),
    (float, 0.5, 0.5),
    (str, "5", "5"),
    (bool, True, True),
    (None, None, None),
    (datetime, "2026-01-31T12:00:00+02:00", datetime(2026, 1, 31, 12, tzinfo=EAST)),
    (datetime, "2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
    (datetime, "2026-01-31T12:00:00", datetime(2026, 1, 31, 12)),
    (date, "2026-01-31", date(2026, 1, 31)),
    (time, "12:30:00", time(12, 30)),
    (timedelta, "P1DT2S", timedelta(days=1, seconds=2)),
    (UUID, str(ID), ID),
    (Path, "a/b.csv", Path("a/b.csv")),
    (PurePosixPath, "a", PurePosixPath("a")),
    (Decimal, "1.50", Decimal("1.50")),
    (Decimal, 1.5, Decimal("1.5")),
    (bytes, "aGk=", b"hi"),
    (Colour, "red", Colour.RED),
    (Shade, "dark", Shade.DARK),
    (Level, 2, Level.HIGH),
    (Rights, 3, Rights.READ | Rights.WRITE),
    (Literal["a", 1], 1, 1),
    (Optional[int], None, None),  # noqa: UP045
    (int | None, 5, 5),
    (Path | None, "a", Path("a")),
    (int | str, "5", "5"),
    (Union[bool, list[int]], [1], [1]),  # noqa: UP007
    (UserId, 5, 5),
    (Annotated[int, "how many"], 5, 5),
    (list[date], ["2026-01-31"], [date(2026, 1, 31)]),
    (set[int], [1, 2], {1, 2}),
    (tuple[int, ...], [1, 2], (1, 2)),
    (tuple[int, Path], [1, "a"], (1, Path("a"))),
    (dict[str, Path], {"a": "b"}, {"a": Path("b")}),
    (dict[int, str], {"1": "a"}, {1: "a"}),
    (dict[Colour, int], {"red": 1}, {Colour.RED: 1}),
    (list, [1, "a"], [1, "a"]),
    (dict, {"a": [1]}, {"a": [1]}),
    (Any, {"a": [1]}, {"a": [1]}),
    (object, "x", "x"),
    (list[object], ["x", 1], ["x", 1]),
    (Line, {"item": str(ID)}, Line(ID)),
    (
        Order,
        {"due": "2026-01-31", "lines": [{"item": str(ID), "count": 2}], "_note": "x"},
        Order(date(2026, 1, 31), [Line(ID, 2)], "x"),
    ),
    (Folder, {"path": "a", "inside": [{"path": "b"}]}, Folder(Path("a"), [Folder(Path("b"))])),
    (Point, [1], Point(1)),
    (Options, {"colour": "red"}, {"colour": Colour.RED}),
    (Cat, {"type": "Cat", "theName": "Tom"}, Cat("Tom")),
    (Cat | Dog, {"type": "Dog", "age": 3}, Dog(3)),
    (Row, [1], Row(1)),
    ("list[Order] | None", [{"due": "2026-01-31"}], [Order(date(2026, 1, 31))]),
]


@pytest.mark.parametrize(("annotation", "given", "wanted"), FITS, ids=str)
def test_a_value_becomes_what_its_annotation_says(annotation, given, wanted):
    got = run(takes(annotation), {"it": given})

    assert (type(got), got) == (type(wanted), wanted)


# annotation, what JSON gives, every fault that must be told
MISFITS = [
    (int, True, ["it: expected int, got bool true"]),
    (int, "5", ['it: expected int, got str "5"']),
    (int, 5.0, ["it: expected int, got float 5.0"]),
    (int, None, ["it: expected int, got null"]),
    (float, "0.5", ['it: expected float, got str "0.5"']),
    (float, True, ["it: expected float, got bool true"]),
    (str, 5, ["it: expected str, got int 5"]),
    (bool, 1, ["it: expected bool, got int 1"]),
    (None, 0, ["it: expected null, got int 0"]),
    (datetime, "soon", ['it: expected datetime, got str "soon" (invalid RFC3339']),
    (datetime, "2026-01-31", ["it: expected datetime, got str"]),
    (date, 20260131, ["it: expected date, got int 20260131"]),
    (UUID, "x", ['it: expected UUID, got str "x" (invalid UUID)']),
    (Path, 5, ["it: expected Path, got int 5"]),
    (Path | None, 5, ["it: expected Path, got int 5"]),
    (Decimal, "much", ['it: expected Decimal, got str "much"']),
    (Decimal, True, ["it: expected decimal, got bool true"]),
    (bytes, "?", ['it: expected bytes, got str "?" (invalid base64']),
    (Colour, "green", ['it: expected Colour, got str "green" (one of "red", "blue")']),
    (Level, 3, ["it: expected Level, got int 3 (one of 1, 2)"]),
    (Literal["a", "b"], "c", ["it: expected Literal['a', 'b'], got str \"c\""]),
    (int | None, "5", ['it: expected int | null, got str "5"']),
    (Annotated[int, "doc"], "5", ['it: expected int, got str "5"']),
    (UserId, "5", ['it: expected int, got str "5"']),
    (str, ["x"], ["it: expected str, got array"]),
    (int, "x" * 100, [f'it: expected int, got str "{"x" * 59}...']),
    (list[int], [1, "2", 3, None], ['it[1]: expected int, got str "2"', "it[3]: expected int"]),
    (list[int], {"a": 1}, ["it: expected array, got object"]),
    (set[int], ["a"], ['it[0]: expected int, got str "a"']),
    (tuple[int, str], [1, 2], ["it[1]: expected str, got int 2"]),
    (tuple[int, str], [1], ["it: expected array of length 2, got 1"]),
    (tuple[int, ...], [1, "a"], ['it[1]: expected int, got str "a"']),
    (dict[str, int], {"a": "x", "b": 1, "c": []}, ["it.a: expected int, got", "it.c: expected"]),
    (dict[int, str], {"x": "a", "1": 2}, ['it: the key "x" is no int', "it.1: expected str"]),
    (dict[str, list[int]] | None, {"a": [1, "b"]}, ['it.a[1]: expected int, got str "b"']),
    (
        Order,
        {"lines": [{"item": "x"}, {"item": str(ID), "count": "2"}], "_note": 5},
        [
            "it.due: missing",
            'it.lines[0].item: expected UUID, got str "x"',
            'it.lines[1].count: expected int, got str "2"',
            "it._note: expected str | null, got int 5",
        ],
    ),
    (Positive, {"value": -1}, ["it: ", "must be > 0: -1"]),
    (list[Picky], [{"value": 1}, {"value": 10}], ["it[1]: KeyError: 'too many'"]),
    (Folder, {"path": "a", "inside": [{}, 3]}, ["it.inside[0].path: missing", "it.inside[1]: exp"]),
    (Point, ["a", "b"], ["it.x: expected int", "it.y: expected int"]),
    (Options, {"colour": "green", "level": "2"}, ["it.colour: expected Colour", "it.level: exp"]),
    (Cat, {"type": "Cat"}, ["it.theName: missing"]),
    (Cat | Dog, {"type": "Dog", "age": "x"}, ["it.age: expected int"]),
    (Row, ["a", 2], ["it.a: expected int", "it.b: expected str"]),
    (Point, {"x": 1}, ["it: expected array, got object"]),
    (Order, [1], ["it: expected object, got array"]),
    (float, 10**400, ["it: expected float, got int 1000"]),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "given", "told"), MISFITS, ids=str)
def test_a_value_that_does_not_fit_is_refused_with_every_place(annotation, given, told):
    message = refusal(takes(annotation), {"it": given})

    assert message.startswith("Job 'a.job' refuses these params: it")
    for fault in told:
        assert fault in message
    assert "\n" not in message
    assert "`" not in message


class Square(msgspec.Struct, tag=True):
    side: int


class Circle(msgspec.Struct, tag=True):
    r: int


class First(msgspec.Struct, tag=1, array_like=True):
    a: int


class Second(msgspec.Struct, tag=2, array_like=True):
    a: str


@pytest.mark.parametrize(
    ("annotation", "given", "told"),
    [
        (Square | Circle, {"side": 1}, "it.type: missing"),
        (Square | Circle, {}, "it.type: missing"),
        (list[Square | Circle | None], [{"r": 1}], "it[0].type: missing"),
        (Square | Circle | int, {"type": "Square"}, "it.side: missing"),
        (Square | Circle, {"type": "Circle", "r": "x"}, 'it.r: expected int, got str "x"'),
        (Square | Circle, {"type": "Line", "r": "x"}, "it.type: invalid value 'Line'"),
        (Square | Circle, {"type": 5}, "it.type: expected str, got int"),
        (Square | Circle, [1], "it: expected object, got array"),
        (Square | list[int], {}, "it.side: missing"),
        (First | Second, [2, 3], "it.a: expected str, got int 3"),
        (First | Second, [True, 3], "it[0]: expected int, got bool"),
        (First | Second, [True, "x"], "it[0]: expected int, got bool"),
        (First | Second, {"a": 1}, "it: expected array, got object"),
        (First | Second, [], "it: expected array of at least length 1, got 0"),
    ],
    ids=str,
)
def test_of_several_structs_that_of_the_tag_is_told(annotation, given, told):
    message = refusal(takes(annotation), {"it": given})

    assert message.startswith(f"Job 'a.job' refuses these params: {told}. It takes ")


One, Other = TypeVar("One"), TypeVar("Other")


@dataclasses.dataclass
class Box(Generic[One]):
    v: One
    more: list[One] = dataclasses.field(default_factory=list)


class Both(TypedDict, Generic[One, Other]):
    a: One
    b: NotRequired[Other]


@pytest.mark.parametrize(
    ("annotation", "given", "told"),
    [
        (Box[int], {"v": "x"}, 'it.v: expected int, got str "x"'),
        (Box[int], {}, "it.v: missing"),
        (Box[int], ["x"], "it: expected object, got array"),
        (Box[int], {"v": 1, "more": ["x"]}, 'it.more[0]: expected int, got str "x"'),
        (Box[Box[int]], {"v": {"v": "x"}}, 'it.v.v: expected int, got str "x"'),
        (Both[int, str], {"b": 1}, "it.a: missing; it.b: expected str, got int 1"),
    ],
    ids=str,
)
def test_of_a_generic_class_each_field_is_told(annotation, given, told):
    message = refusal(takes(annotation), {"it": given})

    assert message.startswith(f"Job 'a.job' refuses these params: {told}. It takes ")


def test_the_places_within_an_alias_that_takes_types_are_told():
    pair = TypeAliasType("Pair", tuple[One, dict[str, One]], type_params=(One,))

    told = list(faults(["x", {"a": 1, "b": "y"}], pair[int], "it"))

    assert told == ['it[0]: expected int, got str "x"', 'it[1].b: expected int, got str "y"']


@pytest.mark.parametrize(
    ("annotation", "given"),
    [
        (Literal["gold"], "geheim-4711"),
        (list[Literal["gold"]], ["geheim-4711"]),
        (Literal[1, 2], 987654),
        (Cat | Dog, {"type": "geheim-4711"}),
    ],
    ids=str,
)
def test_no_words_of_others_tell_what_is_hidden(annotation, given):
    hide = re.compile("geheim-4711|987654")

    with hiding(lambda text: hide.sub("[redacted]", text)):
        told = refusal(takes(annotation), {"it": given})

    assert "[redacted]" in told
    assert not hide.search(told)


def test_everything_that_is_wrong_is_told_at_once():
    def job(account: int, csv: Path, *, day: date | None = None, pages: list[int] = []): ...  # noqa: B006

    message = refusal(job, {"acount": 5, "day": "today", "pages": [1, "a"], "zzz": 1})

    assert message == (
        "Job 'a.job' refuses these params: missing 'account'; missing 'csv'; "
        "unknown 'acount' (did you mean 'account'?); "
        'day: expected date | None, got str "today" (invalid RFC3339 encoded date); '
        "pages[1]: expected int, got str \"a\"; unknown 'zzz'. "
        "It takes (account: int, csv: Path, day: date | None = None, pages: list[int] = [])."
    )


def test_a_great_many_faults_are_cut_and_the_message_says_so():
    message = refusal(takes(list[int]), {"it": ["x"] * 5000})

    assert message.count("expected int") == 100
    assert "; and more. It takes (it: list[int])." in message


def test_a_default_stands_as_it_is_where_nothing_was_given():
    assert run(takes(int, "not even an int"), {}) == "not even an int"
    assert run(takes(date, date(2026, 1, 1)), {}) == date(2026, 1, 1)


def test_null_is_taken_where_the_default_is_none():
    assert run(takes(int, None), {"it": None}) is None
    assert "expected int | null" in refusal(takes(int, None), {"it": "5"})
    assert "expected int, got null" in refusal(takes(int, 5), {"it": None})


def test_other_names_are_taken_by_kwargs_and_held_to_its_annotation():
    def job(a: int, **rest: date):
        return a, rest

    assert run(job, {"a": 1, "b": "2026-01-31"}) == (1, {"b": date(2026, 1, 31)})
    assert run(job, {"a": 1}) == (1, {})
    message = refusal(job, {"a": 1, "b": "x", "rest": 5})
    assert 'b: expected date, got str "x"' in message
    assert "rest: expected date, got int 5" in message
    assert message.endswith("It takes (a: int, **rest: date).")


def test_kwargs_without_annotation_take_anything():
    assert run(lambda **rest: rest, {"a": [1], "self": 2}) == {"a": [1], "self": 2}


def test_args_stay_empty_because_parameters_have_names():
    def job(a, *args, b=2):
        return a, args, b

    assert run(job, {"a": 1}) == (1, (), 2)
    assert "unknown 'args'" in refusal(job, {"a": 1, "args": [3]})


def test_a_wrapper_of_unnamed_arguments_is_given_what_was_named():
    def wrapper(*args, **kwargs):
        return args, kwargs

    assert run(wrapper, {"args": 1, "a": 2}) == ((), {"args": 1, "a": 2})


def test_positional_only_parameters_are_given_by_name():
    def job(a: date, b: int = 7, c: int = 8, /, d: int = 9, **rest: int):
        return a, b, c, d, rest

    assert run(job, {"a": "2026-01-31", "c": 3, "e": 5}) == (date(2026, 1, 31), 7, 3, 9, {"e": 5})
    assert "missing 'a'" in refusal(job, {"b": 1})


def test_a_method_a_class_a_partial_and_a_callable_object_are_read_as_what_they_are():
    import functools

    class Jobs:
        def __init__(self, day: date) -> None:
            self.day = day

        def __call__(self, times: int) -> int:
            return times

        @classmethod
        def of(cls, day: date) -> date:
            return day

    assert run(Jobs, {"day": "2026-01-31"}).day == date(2026, 1, 31)
    assert run(Jobs(date.min), {"times": 3}) == 3
    assert run(Jobs.of, {"day": "2026-01-31"}) == date(2026, 1, 31)
    assert run(functools.partial(takes(date)), {"it": "2026-01-31"}) == date(2026, 1, 31)
    assert "expected date" in refusal(Jobs.of, {"day": 1})


def test_a_decorated_function_is_held_to_what_it_wraps():
    import functools

    def inner(day: date):
        return day

    @functools.wraps(inner)
    def wrapper(*args, **kwargs):
        return inner(*args, **kwargs)

    assert run(wrapper, {"day": "2026-01-31"}) == date(2026, 1, 31)
    assert "expected date" in refusal(wrapper, {"day": 1})


def test_an_async_job_is_converted_for_too():
    async def job(day: date):
        await asyncio.sleep(0)
        return day

    assert run(job, {"day": "2026-01-31"}) == date(2026, 1, 31)


def test_what_was_stored_is_not_changed_by_binding():
    params = {"it": "2026-01-31"}

    read(takes(date), "a.job").bind(params, "Job 'a.job'")

    assert params == {"it": "2026-01-31"}


@pytest.mark.parametrize(
    ("annotation", "given", "told"),
    [
        (Partly, {"a": 1, "b": "x"}, 'it.b: expected int, got str "x"'),
        (Partly, {"a": "1", "b": 2}, 'it.a: expected int, got str "1"'),
        (Partly, {"b": 2, "c": 1.5, "a": 1}, "it.c: expected int, got float 1.5"),
        (Partly, {"b": 2, "c": 0}, "it.c: expected int, got int 0 (expected int >= 1)"),
        (Partly, {"a": 1}, "it.b: missing"),
        (Mostly, {"a": 1, "b": "x"}, 'it.b: expected int, got str "x"'),
        (Mostly, {"a": "1", "b": 2}, 'it.a: expected int, got str "1"'),
        (Fixed, {"a": 1, "b": "x"}, 'it.b: expected int, got str "x"'),
        (Fixed, {"a": "1", "b": 2}, 'it.a: expected int, got str "1"'),
    ],
    ids=str,
)
def test_only_the_fields_that_are_wrong_are_told_of_a_class(annotation, given, told):
    message = refusal(takes(annotation), {"it": given})

    assert message.startswith(f"Job 'a.job' refuses these params: {told}. It takes ")


@pytest.mark.parametrize("function", [dict, range], ids=str)
def test_a_callable_that_does_not_say_what_it_takes_is_no_job(function):
    with pytest.raises(JobLoadError, match=r"^Job 'a\.job' does not say which parameters"):
        read(function, "a.job")


def test_a_function_is_read_once_and_another_in_its_place_anew():
    def job(a: int): ...

    def other(b: int): ...

    class Jobs:
        @classmethod
        def of(cls, a: int): ...

    assert binder_of(job, "a.job") is binder_of(job, "a.job")
    assert binder_of(job, "a.job") is not binder_of(other, "a.job")
    assert binder_of(Jobs.of, "a.job") is binder_of(Jobs.of, "a.job")
    assert list(binder_of(other, "a.job").takes) == ["b"]
    assert list(binder_of(job, "a.job").takes) == ["a"]


def test_a_fault_shows_hostile_text_in_one_line():
    message = refusal(takes(int), {"it": "a\nb\x1b[31m\u202e"})

    assert "a\\nb\\u001b" in message
    assert "\n" not in message


def test_a_hostile_name_is_shown_in_one_line_too():
    def job(it: dict[str, int], **rest: int): ...

    message = refusal(job, {"it": {"a\nb": "x"}, "c\nd": "y", "e" * 10_000: "z"})

    assert "it['a\\nb']: expected int, got str \"x\"" in message
    assert "'c\\nd': expected int, got str \"y\"" in message
    assert "\n" not in message
    assert len(message) < 500


def test_a_class_that_raises_only_once_is_told_all_the_same():
    class Fickle:
        raised = False

    @dataclasses.dataclass
    class Once:
        value: int

        def __post_init__(self) -> None:
            if not Fickle.raised:
                Fickle.raised = True
                raise RuntimeError

    assert "params: RuntimeError while they were converted. " in refusal(
        takes(Once), {"it": {"value": 1}}
    )


def test_a_name_as_long_as_it_likes_is_cut():
    message = refusal(takes(int), {"it": 1, "x" * 10_000: 1})

    assert len(message) < 400


def test_nothing_is_compared_with_what_a_job_wrote():
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared")

        __hash__ = object.__hash__

    assert run(takes(Odd(), Odd()), {"it": 1}) == 1
