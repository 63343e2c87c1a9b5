"""What a job's schema finds wrong with parameters, before anything is stored."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from jobreg.judge import Plain, faults
from jobreg.signature.refusal import first_faults, refusal

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "account": {"type": "integer", "minimum": 1},
        "name": {"type": "string", "maxLength": 5},
        "kind": {"enum": ["a", 1]},
        "ratio": {"type": "number"},
        "until": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        "rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}},
        "pair": {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "minItems": 2,
            "maxItems": 2,
            "items": False,
        },
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "any": {},
    },
    "required": ["account"],
    "additionalProperties": False,
    "$defs": {
        "Row": {
            "type": "object",
            "properties": {"x": {"type": "number"}, "next": {"$ref": "#/$defs/Row"}},
            "required": ["x"],
        }
    },
}


def told_of(schema: dict[str, Any], params: dict[str, Any]) -> list[str]:
    return list(faults(schema, params))


@pytest.mark.parametrize(
    "params",
    [
        {"account": 1},
        {"account": 1, "ratio": 2, "kind": 1, "until": None, "any": [{}], "pair": [1, "x"]},
        {"account": 1, "rows": [{"x": 1.5, "next": {"x": 2, "more": 3}}], "counts": {"a": 1}},
    ],
)
def test_what_fits_has_no_faults(params: dict[str, Any]) -> None:
    assert told_of(SCHEMA, params) == []


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({}, ["missing 'account'"]),
        ({"acount": 1}, ["missing 'account'", "unknown 'acount' (did you mean 'account'?)"]),
        ({"account": "5"}, ["account: expected int, got str \"5\""]),
        ({"account": True}, ["account: expected int, got bool true"]),
        ({"account": 1.0}, ["account: expected int, got float 1.0"]),
        ({"account": None}, ["account: expected int, got null"]),
        ({"account": 0}, ["account: expected int, got int 0 (expected int >= 1)"]),
        ({"account": 1, "kind": True}, ["kind: expected int | str, got bool true"]),
        ({"account": 1, "until": 5}, ["until: expected datetime | null, got int 5"]),
        ({"account": 1, "until": "tomorrow"}, [
            'until: expected datetime | None, got str "tomorrow" (invalid RFC3339 encoded datetime)'
        ]),
        ({"account": 1, "name": "toolong"}, [
            'name: expected str, got str "toolong" (expected str of length <= 5)'
        ]),
        ({"account": 1, "pair": [1]}, ["pair: expected array of length 2, got 1"]),
        ({"account": 1, "pair": ["x", 1]}, [
            "pair[0]: expected int, got str \"x\"",
            "pair[1]: expected str, got int 1",
        ]),
        ({"account": 1, "rows": [{"x": 1}, {"next": {"x": "n"}}]}, [
            "rows[1].x: missing",
            "rows[1].next.x: expected float, got str \"n\"",
        ]),
        ({"account": 1, "counts": {"a": "b"}}, [
            "counts.a: expected int, got str \"b\""
        ]),
    ],
)  # fmt: skip
def test_every_fault_is_told_with_its_path(params: dict[str, Any], told: list[str]) -> None:
    assert told_of(SCHEMA, params) == told


def test_at_most_a_hundred_faults_are_told() -> None:
    params = {"account": 1, **{f"x{number}": 1 for number in range(150)}}

    told = refusal("Job 'a.b'", first_faults(faults(SCHEMA, params)), "See the docs.")

    assert told.count("unknown") == 100
    assert told.endswith("; unknown 'x99'; and more. See the docs.")


@pytest.mark.parametrize(
    "schema", [{}, {"$ref": "#/$defs/none"}, {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "a"},
               {"type": "unheard"}, {"not": {}}, {"type": ["string", "null"]}]
)  # fmt: skip
def test_what_it_does_not_know_it_lets_pass(schema: dict[str, Any]) -> None:
    assert told_of(schema, {"x": 1}) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 2.0]) | st.text("ab"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xy"), inner, max_size=3),
    max_leaves=6,
)
Struct = msgspec.defstruct(
    "Struct",
    [("x", int | None, None), ("y", dict[str, list[float]] | str, "s"), ("xy", bool, True)],
    forbid_unknown_fields=True,
)


@given(st.dictionaries(st.sampled_from(["x", "y", "xy", "z"]), JSON))
def test_what_msgspec_accepts_is_never_refused_and_what_it_refuses_is_told(
    params: dict[str, Any],
) -> None:
    try:
        msgspec.json.decode(json.dumps(params), type=Struct)
        accepted = True
    except msgspec.ValidationError:
        accepted = False

    told = told_of(msgspec.json.schema(Struct), params)

    # msgspec takes 2.0 for a whole number; we do not quarrel with whoever does not.
    integral = isinstance(params.get("x"), float)
    assert (not told) == accepted or integral


VALUES = ("5", 1, 1.5, True, None, [1], {"a": 1})


@pytest.mark.parametrize(
    ("schema", "fitting"),
    [
        ({"type": "string", "title": "a title"}, ["5"]),
        ({"type": "integer", "default": 3}, [1]),
        ({"type": "number"}, [1, 1.5]),
        ({"type": "boolean"}, [True]),
        ({"type": "null"}, [None]),
        ({"type": "array"}, [[1]]),
        ({"type": "object"}, [{"a": 1}]),
        ({}, list(VALUES)),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}, [1, None]),
        ({"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 0}]}, [1]),
        ({"$ref": "#/$defs/whole"}, [1]),
        ({"$ref": "#/$defs/circle"}, [1]),
        ({"$ref": "#/$defs/nowhere"}, []),
        ({"type": "integer", "minimum": 3}, []),
        ({"type": ["integer", "null"]}, []),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": "unheard"}, []),
        (True, []),
    ],
)  # fmt: skip
def test_what_fits_by_its_type_alone_has_no_faults(schema: object, fitting: list[Any]) -> None:
    circle = {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/circle"}]}
    whole = {
        "properties": {"x": schema},
        "additionalProperties": False,
        "$defs": {"whole": {"type": "integer"}, "circle": circle},
    }
    plain = Plain.of(whole)

    found = [value for value in VALUES if plain.fits({"x": value})]

    assert [(type(each), each) for each in found] == [(type(each), each) for each in fitting]
    for value in found:
        assert told_of(whole, {"x": value}) == []


def test_by_its_type_alone_nothing_fits_that_lacks_a_parameter_or_has_one_more() -> None:
    plain = Plain.of(SCHEMA | {"required": ["any"]})

    assert plain.fits({"any": 1})
    assert not plain.fits({})
    assert not plain.fits({"any": 1, "more": 1})
    assert not Plain.of(None).fits({"any": 1})


@pytest.mark.parametrize(
    "schema",
    [
        True, 5, [1], None,
        {"required": None}, {"required": True}, {"required": [["a"]]}, {"required": "a"},
        {"properties": []}, {"properties": None}, {"properties": {"x": {"type": {}}}},
        {"properties": {"x": {"anyOf": None}}}, {"properties": {"x": {"anyOf": True}}},
        {"properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": ["a"]},
    ],
)  # fmt: skip
def test_a_schema_that_is_none_fits_nothing_by_its_types(schema: Any) -> None:
    for params in ({"x": 1}, {"": 1}):
        assert not Plain.of(schema).fits(params)


def test_where_it_cannot_be_read_what_is_required_nothing_fits_by_its_types() -> None:
    assert not Plain.of({"properties": {"x": {}}, "required": "x"}).fits({})


def test_of_unions_that_hold_each_other_no_kind_is_missed() -> None:
    definitions = {
        "a": {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/b"}]},
        "b": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/a"}]},
    }
    takes = {name: {"$ref": f"#/$defs/{name}"} for name in "ab"}

    assert Plain.of({"properties": takes, "$defs": definitions}).fits({"a": "x", "b": 1})
