"""Typed results and parameters become JSON that their annotation turns back into an equal value."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pytest
from hypothesis import given, settings, strategies as st
from kinds import (
    Cat,
    Colour,
    Custom,
    Dog,
    Folder,
    Level,
    Line,
    Options,
    Order,
    Point,
    Rights,
    Row,
    Shade,
)

from jobreg import BadInput, ResultRefused
from jobreg.codec import decode, encode_params, encode_result
from jobreg.signature.conversion import convert
from jobreg.signature.encoding import difference
from jobreg.signature.plain import MAX_DEPTH
from jobreg.signature.reading import read

CAP = 1_000_000
ID = UUID("6f1d8a4e-5c55-4a3e-9d6e-1a2b3c4d5e6f")
EAST = timezone(timedelta(hours=2))

# value, its JSON, and the annotation that gives it back
ENCODED = [
    (datetime(2026, 1, 31, 12, tzinfo=EAST), "2026-01-31T12:00:00+02:00", datetime),
    (datetime(2026, 1, 31, 12, 0, 0, 5), "2026-01-31T12:00:00.000005", datetime),
    (date(2026, 1, 31), "2026-01-31", date),
    (time(12, 30, tzinfo=UTC), "12:30:00+00:00", time),
    (timedelta(days=1, microseconds=5), "P1DT0.000005S", timedelta),
    (timedelta(seconds=-5), "-PT5S", timedelta),
    (ID, str(ID), UUID),
    (Path("a/b.csv"), "a/b.csv", Path),
    (PureWindowsPath("a\\b"), "a\\b", PureWindowsPath),
    (Decimal("1.50"), "1.50", Decimal),
    (Decimal("-1E+400"), "-1E+400", Decimal),
    (Colour.RED, "red", Colour),
    (Shade.DARK, "dark", Shade),
    (Level.HIGH, 2, Level),
    (Rights.READ | Rights.WRITE, 3, Rights),
    ((1, date(2026, 1, 31)), [1, "2026-01-31"], tuple[int, date]),
    (Point(1, 2), [1, 2], Point),
    ({"a": Path("b")}, {"a": "b"}, dict[str, Path]),
    ({"colour": Colour.RED}, {"colour": "red"}, Options),
    (Line(ID), {"item": str(ID), "count": 1}, Line),
    (
        Order(date(2026, 1, 31), [Line(ID)], "x"),
        {"due": "2026-01-31", "lines": [{"item": str(ID), "count": 1}], "_note": "x"},
        Order,
    ),
    (Folder(Path("a")), {"path": "a", "inside": []}, Folder),
    (Cat("Tom"), {"type": "Cat", "theName": "Tom"}, Cat | Dog),
    (Row(1, "x"), [1, "x"], Row),
    ([Line(ID), None], [{"item": str(ID), "count": 1}, None], list[Line | None]),
]


@pytest.mark.parametrize(("value", "stored", "annotation"), ENCODED, ids=str)
def test_a_value_is_stored_as_json_that_gives_it_back(value, stored, annotation):
    def job() -> annotation: ...

    job.__annotations__["return"] = annotation
    text = encode_result(value, CAP, read(job, "a.job").result_fault)

    assert decode(text) == stored
    assert convert(decode(text), annotation) == value
    assert decode(encode_params({"it": value}, CAP)) == {"it": stored}


def test_without_an_annotation_typed_values_are_plain_json_for_who_reads():
    value = {"at": datetime(2026, 1, 31, tzinfo=UTC), "order": Order(date(2026, 2, 1)), "n": [1]}

    assert decode(encode_result(value, CAP)) == {
        "at": "2026-01-31T00:00:00+00:00",
        "order": {"due": "2026-02-01", "lines": [], "_note": None},
        "n": [1],
    }


def test_a_zone_by_name_is_kept_as_its_offset():
    value = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))

    text = encode_result(value, CAP)

    assert decode(text) == "2026-07-01T12:00:00+02:00"
    assert convert(decode(text), datetime) == value


class Stamp(datetime):
    """As pandas.Timestamp is: a datetime that holds more than one."""


class Nowhere(tzinfo):
    def utcoffset(self, _: object) -> None:
        return None


class Bytes(enum.Enum):
    RAW = b"x"


@attrs.define
class HalfMade:
    done: int = attrs.field(init=False)


@dataclasses.dataclass
class Holder:
    it: Any


class Held(msgspec.Struct):
    it: Any


@attrs.define
class Held2:
    it: Any


BAD = [
    ({1}, " is a set"),
    (frozenset({1}), " is a frozenset"),
    (b"x", " is a bytes"),
    (bytearray(b"x"), " is a bytearray"),
    (math.nan, " is nan"),
    (math.inf, " is inf"),
    (Decimal("NaN"), " is NaN"),
    (Decimal("sNaN"), " is sNaN"),
    (Decimal("-Infinity"), " is -Infinity"),
    (10**5000, " is a number of more than 4,300 digits"),
    ({5: "x"}, " has the key 5"),
    ({Shade.DARK: 1}, " has the key <Shade.DARK"),
    ({date(2026, 1, 1): 1}, " has the key datetime.date"),
    ({None: 1}, " has the key None"),
    ("\ud800", " holds text that is not Unicode"),
    (Path("\udcff"), " holds text that is not Unicode"),
    (Bytes.RAW, " is a bytes"),
    (Stamp(2026, 1, 1), " is a Stamp; give a plain datetime"),
    (datetime(1890, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), " has an offset of 0:53:28"),
    (time(12, tzinfo=ZoneInfo("Europe/Berlin")), " has a time zone without an offset"),
    (datetime(2026, 1, 1, tzinfo=Nowhere()), " has a time zone without an offset"),
    (HalfMade(), ".done was never set"),
    (Custom(), " is a Custom"),
    (Order, " is a type"),
    (range(3), " is a range"),
    ((each for each in [1]), " is a generator"),
    (1j, " is a complex"),
]


@pytest.mark.parametrize("hold", [Holder, Held, Held2], ids=["dataclass", "Struct", "attrs"])
@pytest.mark.parametrize(("value", "told"), BAD, ids=[told.strip() for _, told in BAD])
def test_what_would_be_lost_is_refused_with_its_path(value, told, hold):
    whole = {"orders": [date(2026, 1, 1), hold([0, value])]}

    with pytest.raises(ResultRefused) as result:
        encode_result(whole, CAP)
    with pytest.raises(BadInput) as params:
        encode_params(whole, CAP)

    assert str(result.value).startswith(f"result.orders[1].it[1]{told}")
    assert str(params.value).startswith(f"params.orders[1].it[1]{told}")
    assert str(result.value).encode()


def test_objects_count_as_depth_and_one_that_holds_itself_is_refused():
    endless = Holder(None)
    endless.it = [endless]
    deep: object = date(2026, 1, 1)
    for _ in range(MAX_DEPTH):
        deep = Holder(deep)

    assert encode_result(deep, CAP)
    with pytest.raises(ResultRefused, match=r"^result\.it.*more than 100 levels deep"):
        encode_result(Holder(deep), CAP)
    with pytest.raises(ResultRefused, match=r"^result\.it\[0\]\.it.*more than 100 levels deep"):
        encode_result(endless, CAP)


@attrs.define
class Doubling:
    count: int

    def __attrs_post_init__(self) -> None:
        self.count *= 2


@attrs.define
class Longer(Line):
    more: str = "x"


# annotation of the result, what the job returned, where it would not come back
LOST = [
    (date, datetime(2026, 1, 1), "result: expected date, got str"),
    (None, date(2026, 1, 1), "result: expected null, got str"),
    (list[int], [1, ID], "result[1]: expected int, got str"),
    (Line, Longer(ID), "result.more would not come back as it is through"),
    (dict[str, Doubling], {"a": Doubling(1)}, "result.a.count would not come back"),
    (UUID, date(2026, 1, 1), "result: expected UUID, got str"),
]


@pytest.mark.parametrize(("annotation", "value", "told"), LOST, ids=str)
def test_a_typed_result_that_its_annotation_would_not_give_back_is_refused(annotation, value, told):
    def job(): ...

    job.__annotations__["return"] = annotation

    with pytest.raises(ResultRefused) as refused:
        encode_result(value, CAP, read(job, "a.job").result_fault)

    assert str(refused.value).startswith(told)
    assert "the job's own annotation, " in str(refused.value)


@pytest.mark.parametrize("annotation", [Custom, "Gone", str | Path, list[Custom]], ids=str)
def test_an_annotation_that_cannot_be_enforced_holds_no_result_back(annotation):
    def job(): ...

    job.__annotations__["return"] = annotation

    assert encode_result(ID, CAP, read(job, "a.job").result_fault) == f'"{ID}"'


def test_plain_json_comes_back_as_it_is_whatever_the_annotation_says():
    def job() -> int: ...

    assert encode_result("not an int", CAP, read(job, "a.job").result_fault) == '"not an int"'


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "it.a[1].b"),
        ({"a": 1}, {"a": 1, "b": None}, "it.b"),
        ([1], [1, 2], "it"),
        ([1, 2.0], [1.0, 2], None),
        ({}, [], "it"),
    ],
)
def test_the_first_place_where_values_differ_is_named(one, other, path):
    assert difference(one, other, "it") == path


OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m)))
TYPES = [
    (int, st.integers()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (str, st.text()),
    (bool, st.booleans()),
    (datetime, st.datetimes(timezones=st.none() | OFFSETS)),
    (date, st.dates()),
    (time, st.times(timezones=st.none() | OFFSETS)),
    (timedelta, st.timedeltas()),
    (UUID, st.uuids()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (Path, st.text(st.characters(codec="utf-8", exclude_characters="\0")).map(Path)),
    (Colour, st.sampled_from(Colour)),
    (Level, st.sampled_from(Level)),
]


def wrapped(pair: tuple[Any, Any]) -> Any:
    annotation, values = pair
    return st.sampled_from(
        [
            (annotation, values),
            (annotation | None, st.none() | values),
            (list[annotation], st.lists(values, max_size=3)),
            (dict[str, annotation], st.dictionaries(st.text(), values, max_size=3)),
            (tuple[annotation, int], st.tuples(values, st.integers())),
        ]
    )


TYPED = st.recursive(st.sampled_from(TYPES), lambda inner: inner.flatmap(wrapped), max_leaves=4)
PAIRS = TYPED.flatmap(lambda pair: pair[1].map(lambda value: (pair[0], value)))


@settings(max_examples=400, deadline=None)
@given(PAIRS)
def test_any_value_comes_back_through_its_annotation_as_result_and_as_parameter(pair):
    annotation, value = pair

    def job(it): ...

    job.__annotations__ = {"it": annotation, "return": annotation}
    binder = read(job, "a.job")
    result = encode_result(value, CAP, binder.result_fault)
    stored = decode(encode_params({"it": value}, CAP))
    _, got = binder.bind(stored, "Job 'a.job'")

    assert binder.findings == ()
    assert convert(json.loads(result), annotation) == value
    assert got["it"] == value
    assert type(got["it"]) is type(value)


def test_plain_json_is_stored_without_msgspec_and_without_the_encoding():
    import subprocess

    code = (
        "import sys; from jobreg.codec import encode_params; "
        "encode_params({'a': [1, 'b', None, {'c': 1.5}]}, 1000); "
        "print([name for name in ('msgspec', 'jobreg.signature.encoding') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
