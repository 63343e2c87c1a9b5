"""Who submits and who executes refuse parameters in the same words: by the schema, by the types."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections import namedtuple
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar

import attrs
import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from jobreg import judge
from jobreg.catalogue import Entry, Hello, Known
from jobreg.errors import BadInput, ParamsRefused
from jobreg.lifecycle import Provider, RunRecord
from jobreg.options import JobOptions
from jobreg.signature.description import describe
from jobreg.signature.reading import read


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    HIGH = 2
    LOW = 1


class Rights(Flag):
    READ = 1
    WRITE = 2


class Bits(IntFlag):
    ALL = 3


class Loose(Enum):
    RED = "red"

    @classmethod
    def _missing_(cls, value: object) -> Loose | None:
        return cls.RED if str(value).lower() == "red" else None


@attrs.define
class Line:
    item: uuid.UUID
    count: int = 1


@dataclasses.dataclass
class Report:
    at: datetime
    lines: list[Line]
    colour: Colour = Colour.RED
    after: Report | None = None


class Row(TypedDict):
    day: date
    at: time


class Pair(NamedTuple):
    first: int
    second: str


class Cat(msgspec.Struct, tag=True):
    born: datetime


class Dog(msgspec.Struct, tag=True):
    born: date


Nothing = namedtuple("Nothing", [])
Bare = namedtuple("Bare", ["a", "b"], defaults=[1])
Some = TypeVar("Some")


class Tagged(msgspec.Struct, tag="t"):
    z: int


class Other(msgspec.Struct, tag="o"):
    z: str


class Numbered(msgspec.Struct, tag=3, tag_field="kind", forbid_unknown_fields=True):
    z: int


class Lettered(msgspec.Struct, tag=4, tag_field="kind"):
    z: str


class First(msgspec.Struct, tag=1, array_like=True):
    z: str


class Second(msgspec.Struct, tag=2, array_like=True):
    z: int


class General(msgspec.Struct, Generic[Some], tag="g"):
    z: Some


class Both(msgspec.Struct):
    several: Tagged | Other | None
    one: Tagged


def job(
    account: int,
    at: datetime,
    who: uuid.UUID | None = None,
    colour: Colour = Colour.RED,
    lines: list[Line] = [],  # noqa: B006
    report: Report = None,  # type: ignore[assignment]
    mode: Literal["a", "b"] = "a",
    pair: tuple[int, str] = (1, "a"),
    counts: dict[str, int] = {},  # noqa: B006
    ratio: float = 1.0,
    price: Decimal = Decimal(1),
    file: Path = Path(),
    wait: timedelta | None = None,
    key: int | str = 1,
    some: set[int] = frozenset(),  # type: ignore[assignment]
    positive: Annotated[int, msgspec.Meta(ge=1)] = 1,
    level: Level = Level.LOW,
    raw: bytes = b"",
    by_id: dict[uuid.UUID, int] = {},  # noqa: B006
    by_number: dict[int, list[date]] = {},  # noqa: B006
    row: Row | None = None,
    named: Pair | None = None,
    pet: Cat | Dog | None = None,
    few: Annotated[list[int], msgspec.Meta(max_length=2)] = [],  # noqa: B006
    meta: dict[str, object] = {},  # noqa: B006
    odd: list[object | None] = [],  # noqa: B006
    plain=None,  # type: ignore[no-untyped-def]
    **rest: int,
) -> None: ...


def members(
    rights: Rights = Rights.READ | Rights.WRITE,
    bits: Bits | None = None,
    colours: list[Loose] = [],  # noqa: B006
    plain: Colour = Colour.RED,
) -> None: ...


def strict(account: int, a_b: str = "x") -> None: ...


FITS: dict[str, Any] = {"account": 1, "at": "2026-01-31T12:00:00"}
ROWS: list[dict[str, Any]] = [
    {"account": "5"}, {"account": None, "at": None}, {"account": 1.0}, {"account": True},
    {"at": "2026-01-31"}, {"at": 5}, {"who": 5}, {"who": "x"}, {"who": []},
    {"colour": "green"}, {"colour": 5}, {"colour": None}, {"level": 3}, {"level": "x"},
    {"lines": [{"item": "x"}, {}, {"item": None, "count": "1"}, 5]}, {"lines": {}},
    {"report": {"at": "x", "lines": [{}], "colour": "g"}}, {"report": 5}, {"report": {}},
    {"report": {"at": "2026-01-31T12:00:00Z", "lines": [], "after": {"lines": 5}}},
    {"mode": "c"}, {"mode": 5}, {"mode": None}, {"pair": [1]}, {"pair": ["x", 1]}, {"pair": "x"},
    {"counts": {"a": "x", "\x1b": "y"}}, {"counts": [1]}, {"ratio": "1"}, {"price": "x"},
    {"price": []}, {"file": 5}, {"wait": "x"}, {"wait": 5}, {"key": []}, {"key": 1.5},
    {"some": ["x"]}, {"some": 1}, {"positive": 0}, {"positive": "x"}, {"raw": "!"}, {"raw": 5},
    {"by_id": {"x": 1}}, {"by_id": {"x": "y"}}, {"by_number": {"x": [1], "2": ["no"]}},
    {"row": {}}, {"row": {"day": "x", "at": 5}}, {"row": 5}, {"pet": 5},
    {"few": [1, 2, 3]}, {"few": ["x", 2, 3]}, {"meta": [1]}, {"odd": {"a": None}},
    {"zz": "x", "yy": []}, {"a\nb": "x"}, {"x" * 200: "x"},
]  # fmt: skip


def words(function: Callable[..., object], params: dict[str, Any]) -> tuple[str, str]:
    """What is said where the function would be executed, and where its run is submitted."""
    binder = read(function, "a.b")
    provider = Provider("acme", "1.0")
    hello = Hello(
        job_name="a.b", provider=provider, options=JobOptions(), signature=describe(binder)
    )
    entry = Entry.of(hello)
    assert entry is not None
    known = Known((attrs.evolve(entry, last_seen=datetime(2026, 1, 31)),))
    executed = submitted = ""
    try:
        binder.bind(params, "Job 'a.b' of acme 1.0")
    except ParamsRefused as error:
        executed = str(error)
    try:
        record = RunRecord(run_id="", job_name="a.b", params=json.dumps(params))
        judge.Terms.of(known, None).apply(record)
    except BadInput as error:
        submitted = str(error)
    return executed, submitted


@pytest.mark.parametrize("params", ROWS, ids=lambda params: ascii(params)[:40])
def test_each_misfit_is_told_in_the_same_words(params: dict[str, Any]) -> None:
    executed, submitted = words(job, {**FITS, **params})

    assert executed != ""
    assert submitted == executed


@pytest.mark.parametrize(
    "params",
    [{"acount": 1}, {}, {"account": 1, "x" * 200: 2}, {"account": 1, "\x1b": 2},
     {"accounts": 1, "a_c": "x"}, {"account": "x" * 500, "a_b": 5},
     {f"no{number}": 1 for number in range(200)}],
    ids=lambda params: ascii(params)[:40],
)  # fmt: skip
def test_what_is_missing_or_unknown_is_told_in_the_same_words(params: dict[str, Any]) -> None:
    executed, submitted = words(strict, params)

    assert "It takes (account: int, a_b: str = 'x')." in executed
    assert submitted == executed


def test_all_faults_are_told_at_once() -> None:
    _, submitted = words(job, {"account": "5", "colour": "green", "who": "me", "extra": "x"})

    assert submitted.startswith(
        "Job 'a.b' of acme 1.0 refuses these params: missing 'at'; "
        'account: expected int, got str "5"; '
        'colour: expected Colour, got str "green" (one of "red", "blue"); '
        'who: expected UUID | None, got str "me" (invalid UUID); '
        'extra: expected int, got str "x". It takes (account: int, at: datetime, '
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 2.0])
    | st.sampled_from(["", "a", "red", "12", "2026-01-31", "2026-01-31T12:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["item", "count", "at", "lines", "colour", "after", "day", "x", "1"]),
        inner,
        max_size=4,
    ),
    max_leaves=8,
)  # fmt: skip
SAME = ("account", "at", "who", "colour", "lines", "report", "mode", "pair", "counts", "ratio",
        "key", "some", "positive", "level", "by_id", "by_number", "few", "meta", "odd", "plain",
        "z")  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(SAME), JSON, max_size=4))
def test_whatever_is_given_the_words_are_the_same(params: dict[str, Any]) -> None:
    executed, submitted = words(job, {**FITS, **params})

    assert submitted == executed


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["row", "named", "pet", "price", "wait", "raw"]), JSON))
def test_what_the_job_takes_is_never_refused_at_submit(params: dict[str, Any]) -> None:
    executed, submitted = words(job, {**FITS, **params})

    assert executed or not submitted


@pytest.mark.parametrize(
    "params",
    [{"rights": 3}, {"rights": 0}, {"rights": -1}, {"bits": 8}, {"bits": None},
     {"colours": ["RED", "red"]}, {}],
    ids=ascii,
)  # fmt: skip
def test_what_an_enum_makes_a_member_of_is_not_refused_at_submit(params: dict[str, Any]) -> None:
    executed, submitted = words(members, params)

    assert (executed, submitted) == ("", "")


@pytest.mark.parametrize(
    "params", [{"rights": "x"}, {"colours": [1]}, {"bits": 1.5}, {"plain": "RED"}], ids=ascii
)
def test_what_no_enum_makes_a_member_of_is_refused_at_submit(params: dict[str, Any]) -> None:
    executed, submitted = words(members, params)

    assert executed != ""
    assert submitted == executed


Key = Annotated[str, msgspec.Meta(min_length=2)]
none = msgspec.Meta(max_length=0)
SHAPES: list[Any] = [
    dict[Key, int], dict[Annotated[str, msgspec.Meta(pattern="^a")], list[int]],
    dict[Annotated[str, msgspec.Meta(title="word", max_length=1)], int],
    dict[Annotated[int, msgspec.Meta(ge=2)], int], dict[Literal["a", "z"], int],
    dict[Literal[1, 2], int], dict[int | uuid.UUID, int], dict[Key | int, int],
    dict[Colour, int], dict[Level, int], dict[Rights, int], dict[Loose, int], dict[date, int],
    Tagged, Tagged | None | int, list[Tagged], Numbered, General, General[int],
    Annotated[Tagged, msgspec.Meta(title="a title")], Tagged | Other, Tagged | Other | None, Both,
    tuple[()], tuple[()] | None, list[tuple[()]], dict[str, tuple[()]], tuple[tuple[()], int],
    list[tuple[()]] | dict[str, int], Nothing, Bare, Pair, Row, Report,
    *(Annotated[kind, none] for kind in (list, list[int], set[int], tuple[int, ...], str, bytes)),
    Annotated[list[int], msgspec.Meta(min_length=2)], Annotated[dict[str, int], none],
]  # fmt: skip
OBJECTS: list[Any] = [
    {}, {"z": 1}, {"z": "x"}, {"zz": 1}, {"a": [1]}, {"a": 1}, {"red": 1}, {"RED": 1}, {"1": 1},
    {"2": 1}, {"3": 1}, {"2026-01-31": 1}, {"kind": 3, "z": 1}, {"kind": 4, "z": 1},
    *({"type": tag, "z": z} for tag in ("t", "o", "g", "no", None) for z in (1, "x")),
    {"several": {"type": "t", "z": 1}, "one": {"z": 1}}, {"several": {"z": 1}, "one": {"z": 1}},
    {"several": None, "one": {"type": "t", "z": 1}}, {"several": None, "one": {"type": "no"}},
]  # fmt: skip
GIVEN: list[Any] = [
    None, True, 0, 2, 1.5, "", "x", *OBJECTS, [], [1], ["x"], [1, 2], [1, 2, 3], [[]], [[1]],
    *([each] for each in OBJECTS[:3]),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_of_what_fits_any_annotation_nothing_is_refused_at_submit(shape: Any) -> None:
    def one(v): ...  # type: ignore[no-untyped-def]

    one.__annotations__ = {"v": shape}
    told = [(given, *words(one, {"v": given})) for given in GIVEN]

    assert [given for given, executed, submitted in told if submitted and not executed] == []
    assert any(executed for _, executed, _ in told)


UNIONS: list[Any] = [
    Tagged | Other, Tagged | Other | None | str, Numbered | Lettered, Cat | Dog,
    First | Second, First | Second | int, Tagged | General[int],
]  # fmt: skip


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("shape", UNIONS, ids=str)
def test_of_several_structs_each_misfit_is_refused_in_the_same_words(
    shape: Any, within: bool
) -> None:
    def one(v): ...  # type: ignore[no-untyped-def]

    one.__annotations__ = {"v": list[shape] if within else shape}
    arrays = [[tag, *rest] for tag in (1, 2, 3, True, "x", None) for rest in ([], [1], ["x"])]
    numbered = [{"kind": tag, "z": "x"} for tag in (3, 4, 5, True, None)]
    cats = [{"type": "Cat"}, {"type": "Cat", "born": "2026-01-31T00:00:00"}]
    given = [*GIVEN, *arrays, *numbered, {"kind": 3, "z": 1, "more": 1}, *cats]
    told = [words(one, {"v": [each] if within else each}) for each in given]

    assert [pair for pair in told if bool(pair[0]) != bool(pair[1])] == []
    if "First" not in str(shape):  # a schema does not tell by what name an item is a field
        assert [pair for pair in told if pair[0] != pair[1]] == []
    assert any(executed for executed, _ in told)
    assert within or any(not executed for executed, _ in told)


@pytest.mark.parametrize("given", [[1], ["x"], {}, 3, None], ids=ascii)
@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("shape", [tuple[()], Annotated[list[int], none], Nothing], ids=str)
def test_what_takes_no_item_is_refused_in_the_same_words(
    shape: Any, within: bool, given: Any
) -> None:
    def one(v): ...  # type: ignore[no-untyped-def]

    one.__annotations__ = {"v": list[shape] if within else shape}
    executed, submitted = words(one, {"v": [given] if within else given})

    assert executed != ""
    assert submitted == executed


class Few(NamedTuple):
    first: int
    second: int = 0


@pytest.mark.parametrize(
    ("shape", "given", "told"),
    [
        (Few, [1, 2, 3], "v: expected array of length 1 to 2, got 3"),
        (Few, {}, "v: expected array, got object"),
        (Bare, {"a": 1}, "v: expected array, got object"),
        (dict[Literal["a", "b"], int], {"c": 1}, "v: the key \"c\" is no Literal['a', 'b']"),
        (dict[Key, int], {"a": 1}, 'v: the key "a" is no Annotated[str, Meta(min_length=2)]'),
        (dict[Colour, int], {"a": 1}, 'v: the key "a" is no Colour'),
        (dict[int, int], {"a": 1}, 'v: the key "a" is no int'),
        (dict[float, int], {"1.5": 1, "a": 1}, 'v: the key "a" is no float'),
        (dict[Decimal, int], {"1.5": 1, "a": 1}, 'v: the key "a" is no Decimal'),
        (dict[time, int], {"12:00:00": 1, "a": 1}, 'v: the key "a" is no time'),
        (dict[timedelta, int], {"P1D": 1, "a": 1}, 'v: the key "a" is no timedelta'),
        (dict[bytes, int], {"YQ==": 1, "!": 1}, 'v: the key "!" is no bytes'),
        (dict[Level, int], {"1": 1, "9": 1}, 'v: the key "9" is no Level'),
        (dict[Literal[1, 2], int], {"1": 1, "3": 1}, 'v: the key "3" is no Literal[1, 2]'),
        (Tagged, {}, "v.z: missing"),
    ],
    ids=str,
)
def test_lengths_and_keys_are_told_as_they_may_be(shape: Any, given: Any, told: str) -> None:
    def one(v): ...  # type: ignore[no-untyped-def]

    one.__annotations__ = {"v": shape}
    executed, submitted = words(one, {"v": given})

    assert f"refuses these params: {told}. It takes" in executed
    assert submitted == executed


def test_that_a_default_may_stand_for_an_item_is_told_at_submit() -> None:
    def one(v: Few): ...  # type: ignore[no-untyped-def]

    executed, submitted = words(one, {"v": []})

    assert "params: v.first: missing. It takes" in executed
    assert "params: v: expected array of length 1 to 2, got 0. It takes" in submitted


def test_the_tag_is_missed_only_where_one_of_several_structs_is_meant() -> None:
    def one(v: Tagged, w: Tagged | Other): ...  # type: ignore[no-untyped-def]

    def several(v: Numbered, w: Cat | Dog): ...  # type: ignore[no-untyped-def]

    either, never = (json.loads(describe(read(job, "a.b")).schema)["$defs"]
                     for job in (one, several))  # fmt: skip

    assert {name: each["required"] for name, each in either.items()} == {
        "Tagged": ["z"], "Other": ["type", "z"]
    }  # fmt: skip
    assert {name: each["required"] for name, each in never.items()} == {
        "Numbered": ["z"], "Cat": ["type", "born"], "Dog": ["type", "born"]
    }  # fmt: skip
