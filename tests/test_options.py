"""Durations, backoff, and the options of @job."""

from __future__ import annotations

import json
from functools import partial

import pytest
from attrs import evolve
from hypothesis import given, strategies as st

from jobreg import Backoff, BadInput, job
from jobreg.options import LONGEST, JobOptions, engine_of, limit, options_of, queue_name, seconds

NONSENSE = [
    -1, -0.1, "-5m", "", "m", "5 minutes", "5mm", "1h30m", "1e3", "nan", "inf", float("nan"),
    float("inf"), -float("inf"), True, None, [], {}, b"5", "9" * 400, 10**30, "36501d", "0x10",
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0, 0.0), (90, 90.0), (1.5, 1.5), ("90", 90.0), ("90s", 90.0), ("5m", 300.0),
        ("2h", 7200.0), ("1d", 86400.0), ("1.5h", 5400.0), (" 3 s ", 3.0), ("0s", 0.0),
        ("36500d", 36500 * 86400.0),
    ],
)  # fmt: skip
def test_a_duration_is_seconds_or_a_number_with_a_unit(given, expected):
    assert seconds(given) == expected


@pytest.mark.parametrize("given", NONSENSE, ids=lambda given: repr(given)[:20])
def test_a_negative_or_nonsensical_duration_is_refused_by_name(given):
    with pytest.raises(BadInput, match=r"^delay: .* is not a duration\. Give seconds"):
        seconds(given, "delay")


@pytest.mark.parametrize("given", ["1000000d", "36501d", "9" * 400, 10**30, 4e9, float("inf")])
def test_a_duration_that_is_too_long_is_told_so(given):
    with pytest.raises(BadInput, match=r"^delay: .*, over 100 years, is not a duration\. Give"):
        seconds(given, "delay")


def test_a_limit_of_none_is_no_limit():
    assert limit(None) is None
    assert limit("2m") == 120.0


@pytest.mark.parametrize("given", [0, "0s", 0.0])
def test_a_limit_of_zero_is_refused(given):
    with pytest.raises(BadInput, match=r"^timeout: must be more than 0"):
        limit(given)


@pytest.mark.parametrize("name", ["default", "A-b_c.9", "x" * 64])
def test_a_queue_name_is_letters_digits_and_three_signs(name):
    assert queue_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a/b", "ü", "a\n", None, 5, ["default"]])
def test_another_queue_name_is_refused(name):
    with pytest.raises(BadInput, match=r"^queue: .* is not a queue name"):
        queue_name(name)


@given(
    first=st.floats(0, 1000), factor=st.floats(1, 100), longest=st.floats(0, 1e6),
    tries=st.integers(1, 10_000), chance=st.floats(0, 1, exclude_max=True),
)  # fmt: skip
def test_a_wait_is_never_negative_nor_longer_than_the_longest(
    first, factor, longest, tries, chance
):
    wait = Backoff(first=first, factor=factor, longest=longest).delay(tries, lambda: chance)

    assert 0 <= wait <= longest


def test_the_bound_doubles_from_one_second_to_ten_minutes_by_default():
    most = [Backoff().delay(tries, lambda: 1.0) for tries in range(1, 13)]

    assert most == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]


def test_jitter_spreads_the_wait_over_the_whole_bound():
    backoff = Backoff(first="10s")

    assert [backoff.delay(1, lambda part=part: part) for part in (0.0, 0.25, 0.999)] == [
        0.0, 2.5, 9.99,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        {"first": -1}, {"longest": "soon"}, {"factor": 0.5}, {"factor": 101}, {"factor": "2"},
        {"factor": True}, {"factor": float("nan")},
    ],
    ids=str,
)  # fmt: skip
def test_a_backoff_that_cannot_be_is_refused(options):
    with pytest.raises(BadInput, match="backoff"):
        Backoff(**options)


def test_job_returns_the_very_function():
    def work(n: int) -> int:
        return n + 1

    marked = job(work)
    configured = job(max_attempts=3)(work)

    assert marked is work
    assert configured is work
    assert work(1) == 2


def test_an_undecorated_function_has_the_defaults():
    def work() -> None: ...

    assert options_of(work) == JobOptions()
    assert (JobOptions().max_attempts, JobOptions().max_crashes) == (1, 3)
    assert JobOptions().timeout is JobOptions().queue is JobOptions().priority is None


def test_the_options_are_found_on_the_function():
    @job(
        name="a.job", queue="mail", priority=-3, timeout="2m", max_attempts=4, max_crashes=2,
        backoff=Backoff(first=5), retry_on=(OSError, ValueError), concurrency=7,
    )  # fmt: skip
    def work() -> None: ...

    options = options_of(work)

    assert (options.name, options.queue, options.priority) == ("a.job", "mail", -3)
    assert (options.timeout, options.max_attempts, options.max_crashes) == (120.0, 4, 2)
    assert (options.backoff.first, options.concurrency) == (5.0, 7)
    assert options.retry_on == (OSError, ValueError)


class Busy(OSError):
    pass


class VeryBusy(Busy):
    pass


SLOWLY = Backoff(first=60, kind="fixed")


@pytest.mark.parametrize(
    ("rules", "verdicts"),
    [
        ({}, {OSError: True, VeryBusy: True, ValueError: True}),
        ({"retry_on": OSError}, {OSError: True, VeryBusy: True, ValueError: False}),
        ({"give_up_on": OSError}, {OSError: False, VeryBusy: False, ValueError: True}),
        (
            {"retry_on": Busy, "give_up_on": OSError},
            {OSError: False, Busy: True, VeryBusy: True, ValueError: False},
        ),
        (
            {"retry_on": OSError, "give_up_on": Busy},
            {OSError: True, Busy: False, VeryBusy: False, ValueError: False},
        ),
        ({"retry_on": OSError, "give_up_on": OSError}, {OSError: True}),
    ],
    ids=str,
)
def test_the_closest_class_says_whether_an_error_is_worth_another_try(rules, verdicts):
    options = JobOptions.of(**rules)

    assert {each: options.follows_from(each())[0] for each in verdicts} == verdicts


def test_a_class_may_have_a_wait_of_its_own():
    options = JobOptions.of(retry_on={OSError: None, Busy: SLOWLY})

    assert options.follows_from(VeryBusy()) == (True, SLOWLY)
    assert options.follows_from(OSError()) == (True, None)
    assert options.follows_from(ValueError()) == (False, None)


@pytest.mark.parametrize(
    ("kind", "waits"),
    [
        ("exponential", [10.0, 30.0, 90.0, 100.0]),
        ("linear", [10.0, 20.0, 30.0, 40.0]),
        ("fixed", [10.0, 10.0, 10.0, 10.0]),
    ],
)
def test_waits_grow_as_their_kind_says_and_jitter_draws_from_nothing_to_that(kind, waits):
    plain = Backoff(10, 3, 100, kind=kind, jitter=False)
    drawn = Backoff(10, 3, 100, kind=kind)

    assert [plain.delay(tries, lambda: 0.25) for tries in (1, 2, 3, 4)] == waits
    assert [drawn.delay(tries, lambda: 0.25) for tries in (1, 2, 3, 4)] == [
        each / 4 for each in waits
    ]


def test_a_kind_of_backoff_that_there_is_not_is_refused():
    with pytest.raises(BadInput, match=r"backoff kind: 'cubic' is none of exponential"):
        Backoff(kind="cubic")


def test_one_exception_class_may_stand_alone():
    assert JobOptions.of(retry_on=OSError).retry_on == (OSError,)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"timout": 5}, "timout"),
        ({"queue": "a b"}, "queue"),
        ({"priority": 1.5}, "priority"),
        ({"priority": 32768}, "priority"),
        ({"priority": True}, "priority"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "-5m"}, "timeout"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": None}, "max_attempts"),
        ({"max_crashes": "3"}, "max_crashes"),
        ({"backoff": 5}, "backoff"),
        ({"retry_on": "ValueError"}, "retry_on"),
        ({"retry_on": KeyboardInterrupt}, "retry_on"),
        ({"retry_on": ValueError("an instance")}, "retry_on"),
        ({"retry_on": {ValueError: 5}}, "retry_on"),
        ({"retry_on": {"ValueError": None}}, "retry_on"),
        ({"give_up_on": "ValueError"}, "give_up_on"),
        ({"max_age": 0}, "max_age"),
        ({"isolation": "thread"}, "isolation"),
        ({"engine": "fork"}, "engine"),
        ({"redact": 5}, "redact"),
        ({"redact": ["no name"]}, "redact"),
        ({"concurrency": 0}, "concurrency"),
    ],
    ids=str,
)
def test_a_bad_option_is_refused_where_the_function_is_decorated(options, named):
    with pytest.raises(BadInput, match=named):
        job(**options)


@pytest.mark.parametrize(
    ("attempts", "crashes", "once"), [(1, 1, True), (2, 1, False), (1, 2, False)]
)
def test_at_most_once_wants_both_limits_at_one(attempts, crashes, once):
    assert JobOptions(max_attempts=attempts, max_crashes=crashes).at_most_once is once


def test_what_the_submitter_asked_for_stands_before_what_the_job_says():
    options = JobOptions(timeout=5, max_attempts=2, max_crashes=2)

    chosen = options.override(timeout=9.0, max_attempts=None, max_crashes=1)

    assert (chosen.timeout, chosen.max_attempts, chosen.max_crashes) == (9.0, 2, 1)


@pytest.mark.parametrize(
    ("name", "stored", "counts"),
    [
        ("timeout", 1e10, LONGEST),
        ("timeout", float("inf"), LONGEST),
        ("timeout", float("nan"), 60.0),
        ("timeout", b"x", 60.0),
        ("max_age", 10**400, LONGEST),
        ("max_age", -1, None),
        ("max_attempts", 2**31 - 1, 1_000_000),
        ("max_attempts", 2.5, 2),
        ("max_attempts", 0.5, 4),
        ("max_attempts", 0, 4),
        ("max_crashes", "many", 3),
    ],
)
def test_a_stored_limit_out_of_bounds_is_brought_within_and_the_others_stand(name, stored, counts):
    options = JobOptions(timeout=60, max_attempts=4)
    rest = {"timeout": 9.0, "max_attempts": 5, "max_crashes": 7, "max_age": 8.0}

    chosen = options.override_within_bounds(**{**rest, name: stored})

    assert {each: getattr(chosen, each) for each in rest} == {**rest, name: counts}
    assert type(getattr(chosen, name)) is type(counts)


def test_the_supervisor_learns_all_but_the_exception_classes():
    options = JobOptions(
        queue="mail", priority=2, timeout="1m", max_attempts=3, backoff=Backoff(2, 3, 4),
        retry_on=OSError, concurrency=5, give_up_on=ValueError, max_age="1h", isolation="fresh",
        engine="threads", redact=["key", "token"],
    )  # fmt: skip

    back = JobOptions.from_wire(json.loads(json.dumps(options.to_wire())))

    assert back.retry_on == ()
    assert back.to_wire() == options.to_wire()
    assert (back.queue, back.priority, back.timeout, back.concurrency) == ("mail", 2, 60.0, 5)
    assert back.backoff == options.backoff
    assert (back.max_age, back.isolation, back.engine) == (3600.0, "fresh", "threads")
    assert back.redact == ("key", "token")


EACH = {
    "queue": "mail", "priority": 2, "timeout": "1m", "max_attempts": 3, "max_crashes": 1,
    "backoff": Backoff(2, kind="fixed"), "retry_on": {OSError: None}, "give_up_on": ValueError,
    "max_age": "1h", "isolation": "fresh", "engine": "threads", "concurrency": 5, "unique": True,
    "redact": ["key", "token"],
}  # fmt: skip


@pytest.mark.parametrize("name", EACH)
def test_an_option_stays_as_it_is_where_another_is_changed(name):
    options = JobOptions.of(**{name: EACH[name]})

    changed = options.override(max_attempts=7)

    assert getattr(changed, name) == (7 if name == "max_attempts" else getattr(options, name))
    assert evolve(options) == options
    assert JobOptions.from_wire(json.loads(json.dumps(options.to_wire()))).unique == options.unique


def test_every_option_is_in_the_test_above():
    assert EACH.keys() == JobOptions.__annotations__.keys() - {"name"}


def test_a_backoff_of_another_kind_reaches_the_supervisor():
    options = JobOptions(backoff=Backoff(1, kind="linear", jitter=False))

    assert JobOptions.from_wire(json.loads(json.dumps(options.to_wire()))) == options


async def awaited():
    pass


@pytest.mark.parametrize(
    ("function", "options", "engine"),
    [
        (print, {}, "processes"),
        (awaited, {}, "asyncio"),
        (lambda: None, {"engine": "threads"}, "threads"),
        (awaited, {"engine": "processes"}, "processes"),
    ],
    ids=["plain", "async", "threads", "as told"],
)
def test_an_async_function_is_for_asyncio_unless_it_says_otherwise(function, options, engine):
    if options:
        function = job(**options)(partial(function))

    assert engine_of(function) == engine


def test_a_process_of_its_own_stands_before_the_engine():
    assert JobOptions(engine="asyncio", isolation="fresh").runs_in == "processes"
    assert JobOptions(engine="asyncio").runs_in == "asyncio"
    assert JobOptions().runs_in == "processes"


@pytest.mark.parametrize("engine", [None, "processes"])
def test_what_the_release_before_does_not_know_is_told_where_it_matters(engine):
    assert "engine" not in JobOptions(engine=engine).to_wire()
