"""Parameters and results to JSON and back; what is refused names its place."""

from __future__ import annotations

import enum
import json
import math
from collections import OrderedDict
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings, strategies as st

from jobreg import BadInput, ResultRefused
from jobreg.codec import (
    MAX_DEPTH,
    attempt_object,
    clip,
    decode,
    encode_params,
    encode_result,
    run_object,
)
from jobreg.lifecycle import Attempt, Ending, ErrorReport, Progress, Provider, Reason, RunRecord

CAP = 1_000_000
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
SOME = settings(max_examples=50, deadline=None)
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12
)


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 1


def same(one, other):
    """Equal, and of the same types all the way down: True is not 1, 1.0 is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@SOME
@given(JSON)
def test_a_result_comes_back_as_it_was(value):
    assert same(decode(encode_result(value, CAP)), value)


@SOME
@given(st.dictionaries(st.text(), JSON))
def test_parameters_come_back_as_they_were(params):
    assert same(decode(encode_params(params, CAP)), params)


def test_no_parameters_are_an_empty_object():
    assert encode_params(None, CAP) == encode_params({}, CAP) == "{}"


def test_a_mapping_and_a_tuple_become_object_and_array():
    text = encode_params(OrderedDict(a=(1, 2)), CAP)

    assert decode(text) == {"a": [1, 2]}


@pytest.mark.parametrize("params", [[1], "text", 5, [("a", 1)], b"{}", {1}], ids=str)
def test_parameters_that_are_no_object_are_refused_with_an_example(params):
    with pytest.raises(BadInput, match=r"^params is a \w+; .* such as \{\"account\": 42\}"):
        encode_params(params, CAP)


BAD_LEAVES = [
    ({1}, "is a set"),
    (b"x", "is a bytes"),
    (math.nan, "is nan"),
    (math.inf, "is inf"),
    (-math.inf, "is -inf"),
    (object(), "is a object"),
    (print, "is a builtin_function_or_method"),
    (1j, "is a complex"),
    ({5: "x"}, "has the key 5"),
    ({None: "x"}, "has the key None"),
    ({True: "x"}, "has the key True"),
    ("\ud800", "not Unicode"),
    ({"\udfff": 1}, "not Unicode"),
    (10**5000, "digits"),
]


@pytest.mark.parametrize(("leaf", "told"), BAD_LEAVES, ids=[told for _, told in BAD_LEAVES])
def test_what_json_cannot_hold_is_refused_with_its_place(leaf, told):
    value = {"orders": [{"ok": 1}, {"items": [0, leaf]}]}

    with pytest.raises(ResultRefused) as result:
        encode_result(value, CAP)
    with pytest.raises(BadInput) as params:
        encode_params(value, CAP)

    assert str(result.value).startswith("result.orders[1].items[1] ")
    assert str(params.value).startswith("params.orders[1].items[1] ")
    assert told in str(result.value)
    assert str(result.value).encode()  # the message itself is text that can be written


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00+00:00"),
        (Decimal("1.5"), "1.5"),
        (Colour.RED, "red"),
        (Level.HIGH, 1),
    ],
    ids=str,
)
def test_what_was_refused_before_types_were_known_is_encoded(value, text):
    value = {"orders": [{"ok": 1}, {"items": [0, value]}]}
    expected = {"orders": [{"ok": 1}, {"items": [0, text]}]}

    assert same(decode(encode_result(value, CAP)), expected)
    assert same(decode(encode_params(value, CAP)), expected)


@SOME
@given(before=st.lists(JSON, max_size=3), after=st.lists(JSON, max_size=3))
@pytest.mark.parametrize("leaf", [{1}, math.nan, {5: 1}, "\ud800"], ids=ascii)
def test_one_bad_value_is_found_among_good_ones(before, after, leaf):
    with pytest.raises(ResultRefused) as refused:
        encode_result([*before, {"bad": leaf}, *after], CAP)

    assert str(refused.value).startswith(f"result[{len(before)}].bad ")


def nested(levels):
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


def test_a_value_may_be_nested_as_deep_as_the_cap_and_no_deeper():
    assert decode(encode_result(nested(MAX_DEPTH), CAP)) == nested(MAX_DEPTH)

    with pytest.raises(ResultRefused, match=r"^result\[0\].*more than 100 levels deep"):
        encode_result(nested(MAX_DEPTH + 1), CAP)


def test_a_value_that_holds_itself_is_refused_as_too_deep():
    value: dict[str, object] = {}
    value["self"] = value

    with pytest.raises(BadInput, match="levels deep"):
        encode_params(value, CAP)


def test_the_cap_counts_bytes_and_names_its_setting():
    fits = "ü" * 49  # 98 bytes and two quotes

    assert encode_result(fits, 100) == f'"{fits}"'

    with pytest.raises(ResultRefused, match=r"^result is 102 bytes .* cap is 100 .*MAX_RESULT"):
        encode_result(fits + "ü", 100)
    with pytest.raises(BadInput, match=r"^params is 1,008 bytes .* cap is 1,000 .*MAX_PARAMS"):
        encode_params({"a": "x" * 1000}, 1000)


@SOME
@given(st.text(), st.integers(64, 400))
def test_a_text_is_cut_to_its_cap_and_says_so(text, cap):
    cut = clip(text, cap)

    assert len(cut.encode()) <= cap
    if len(text.encode()) <= cap:
        assert cut == text
    else:
        kept, _, rest = cut.rpartition("\n... cut, ")
        assert text.startswith(kept)
        assert rest == f"{len(text.encode()):,} bytes in all"


def test_what_cannot_be_encoded_is_escaped_when_cut():
    assert clip("a\ud800b", 100) == "a\\ud800b"


def test_a_run_has_these_fields_and_no_others():
    told = run_object(RunRecord(run_id="r", job_name="a.job"))

    assert list(told) == [
        "run_id", "job_name", "params", "state", "reason", "waiting_on", "result", "error",
        "attempt", "tries", "crashes", "max_attempts", "max_crashes", "queue", "priority",
        "timeout", "unique_key", "retried_from", "created_at", "scheduled_at", "started_at",
        "finished_at", "progress", "provider", "worker_id", "tags",
    ]  # fmt: skip


def test_a_run_is_told_in_plain_json_with_times_in_utc():
    record = RunRecord(
        run_id="r", job_name="a.job", params='{"a":1}', result="null", reason=Reason.ERROR,
        error=ErrorReport("ValueError", "no", "Traceback"), progress=Progress(1, 2, "half"),
        provider=Provider("acme-reports", "1.0"), timeout=1.5, tags=("x",),
        created_at=datetime(2026, 1, 31, 12, 0, 0, 5000, tzinfo=UTC),
    )  # fmt: skip

    told = run_object(record, "a worker")

    assert json.loads(json.dumps(told)) == told
    assert told["created_at"] == "2026-01-31T12:00:00.005000Z"
    assert told["error"] == {"type": "ValueError", "message": "no", "traceback": "Traceback"}
    assert told["progress"] == {"done": 1, "total": 2, "message": "half"}
    assert told["provider"] == {"dist": "acme-reports", "version": "1.0"}
    assert (told["params"], told["result"], told["waiting_on"]) == ({"a": 1}, None, "a worker")
    assert (told["reason"], told["timeout"], told["tags"]) == ("error", 1.5, ["x"])


def test_an_attempt_has_these_fields_and_no_others():
    attempt = Attempt(
        number=2, outcome=Ending.CRASHED, worker_id="w", host="h", pid=7, provider=None,
        started_at=None, finished_at=datetime(2026, 1, 31, tzinfo=UTC), error=None, exit_signal=9,
    )  # fmt: skip

    assert attempt_object(attempt) == {
        "attempt": 2, "outcome": "crashed", "started_at": None,
        "finished_at": "2026-01-31T00:00:00Z", "provider": None, "worker_id": "w", "host": "h",
        "pid": 7, "exit_signal": 9, "error": None,
    }  # fmt: skip
