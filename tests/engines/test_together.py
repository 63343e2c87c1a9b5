"""Short runs go to a child several at a time, and each is still a run by itself."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from engine_hands import Driver
from waiting import pids_in, until

from jobreg.engines.batches import MOST
from jobreg.engines.bell import Bell
from jobreg.engines.page import Page, make_file
from jobreg.engines.wire import Lines
from jobreg.lifecycle import Claim, Ending, Outcome
from jobreg.options import JobOptions

NUMBER = 40


@pytest.fixture
def concurrency() -> int:
    return 2


@pytest.fixture
def together(driver: Driver) -> Callable[..., list[Claim]]:
    """Claims of ``hostile.does``, handed to the engine at one time once that is known as short."""
    for _ in range(3):
        assert driver.run("does").ending is Ending.SUCCEEDED

    def begin(*asked: dict[str, Any], options: JobOptions | None = None) -> list[Claim]:
        # One object for all, as a claim makes it.
        options = options or JobOptions()
        claims = [driver.claim("does", options, **each) for each in asked]
        driver.engine.execute(claims)
        return claims

    return begin


def outcomes(driver: Driver, claims: list[Claim]) -> list[Outcome]:
    return [driver.outcome(claim) for claim in claims]


def test_short_runs_are_handed_over_together(
    driver: Driver, together: Callable[..., list[Claim]], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    monkeypatch.setattr(
        "jobreg.engines.children.wire.run_to", spy(given, "jobreg.engines.wire", "run_to")
    )

    claims = together(*({"value": number} for number in range(NUMBER)))

    assert [json.loads(each.result or "") for each in outcomes(driver, claims)] == [*range(NUMBER)]
    assert 1 < max(map(len, given)) <= MOST
    assert len({each.pid for each in driver.outcomes.values()}) <= 2


def spy(given: list[Any], module: str, name: str) -> Callable[..., bytes]:
    from importlib import import_module

    original = getattr(import_module(module), name)

    def note(numbered: list[Any], *more: Any) -> bytes:
        given.append(numbered)
        return bytes(original(numbered, *more))

    return note


def test_each_line_is_of_the_run_that_wrote_it(
    driver: Driver, together: Callable[..., list[Claim]]
) -> None:
    claims = together(*({"prints": f"line {number}"} for number in range(NUMBER)))

    for number, outcome in enumerate(outcomes(driver, claims)):
        told = [line.text for line in driver.lines(outcome)]
        assert told == [f"line {number}", f"by descriptor: line {number}"]


def test_a_crash_is_of_the_run_that_executed_and_of_no_other(
    driver: Driver, together: Callable[..., list[Claim]]
) -> None:
    asked: list[dict[str, Any]] = [{"value": number} for number in range(NUMBER)]
    asked[7] = {"kills": signal.SIGKILL}

    claims = together(*asked)

    endings = [each.ending for each in outcomes(driver, claims)]
    assert endings[7] is Ending.CRASHED
    assert endings[:7] + endings[8:] == [Ending.SUCCEEDED] * (NUMBER - 1)
    assert len(driver.outcomes) == NUMBER + 3


def test_what_stands_behind_a_long_run_begins_elsewhere(
    driver: Driver, together: Callable[..., list[Claim]], tmp_path: Path
) -> None:
    file, flag = tmp_path / "pids", tmp_path / "flag"
    asked: list[dict[str, Any]] = [{"value": number} for number in range(NUMBER)]
    asked[0] = {"file": str(file), "flag": str(flag)}

    long, *others = together(*asked)

    assert {each.ending for each in outcomes(driver, others)} == {Ending.SUCCEEDED}
    assert long.run_id not in driver.outcomes
    flag.touch()
    assert driver.outcome(long).ending is Ending.SUCCEEDED


@pytest.mark.parametrize("tells", [False, True])
def test_what_waits_behind_long_runs_is_not_handed_over_again_and_again(
    driver: Driver,
    together: Callable[..., list[Claim]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tells: bool,
) -> None:
    file, flag = tmp_path / "pids", tmp_path / "flag"
    long = {"file": str(file), "flag": str(flag), "tells": tells}
    given: list[Any] = []
    rounds: list[float] = []
    monkeypatch.setattr(
        "jobreg.engines.children.wire.run_to", spy(given, "jobreg.engines.wire", "run_to")
    )
    pause = driver.engine._pause

    def noted_pause() -> float:
        rounds.append(pause())
        return rounds[-1]

    monkeypatch.setattr(driver.engine, "_pause", noted_pause)

    def looked(number: int) -> bool:
        driver.engine._hearing.nudge()
        return len(rounds) > number

    claims = together(long, long, *({"value": number} for number in range(NUMBER)))
    try:
        until(lambda: pids_in(file, 2), what="both children execute a long run")
        until(lambda: looked(3 * len(claims)), what="the minder goes on")

        assert sum(map(len, given)) <= 4 * len(claims)
    finally:
        flag.touch()
    assert {each.ending for each in outcomes(driver, claims)} == {Ending.SUCCEEDED}


def test_a_child_that_reads_nothing_keeps_nobody_waiting(
    driver: Driver, together: Callable[..., list[Claim]]
) -> None:
    (first,) = together({"value": 0})
    pid = driver.outcome(first).pid
    assert pid is not None
    large = "x" * 5_000
    os.kill(pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(1) as one_by_one:
            handed = one_by_one.submit(
                lambda: [together({"value": large})[0] for _ in range(5 * NUMBER)]
            )
            try:
                until(handed.done, what="all were handed over")
            finally:
                os.kill(pid, signal.SIGCONT)
            claims = handed.result()
    finally:
        os.kill(pid, signal.SIGCONT)

    assert {each.ending for each in outcomes(driver, claims)} == {Ending.SUCCEEDED}


def test_one_of_many_is_over_its_time_and_the_others_are_not(
    driver: Driver, together: Callable[..., list[Claim]], tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = [{"value": number} for number in range(NUMBER)]
    asked[3] = {"file": str(tmp_path / "pids"), "flag": str(tmp_path / "never")}

    claims = together(*asked, options=JobOptions(timeout=0.5))

    endings = [each.ending for each in outcomes(driver, claims)]
    assert endings[3] is Ending.TIMEOUT
    assert endings[:3] + endings[4:] == [Ending.SUCCEEDED] * (NUMBER - 1)


def test_one_that_was_handed_over_and_has_not_begun_can_be_cancelled(
    driver: Driver, together: Callable[..., list[Claim]], tmp_path: Path
) -> None:
    file, flag = tmp_path / "pids", tmp_path / "flag"
    waits = {"file": str(file), "flag": str(flag)}
    first, second, third = together(waits, {"file": str(tmp_path / "ran")}, {"value": 3})
    until(lambda: pids_in(file))

    driver.engine.interrupt(second.run_id, second.attempt, Ending.CANCELLED)
    flag.touch()

    # Where another child was free, it has begun and is over.
    assert driver.outcome(second).ending in (Ending.CANCELLED, Ending.SUCCEEDED)
    assert driver.outcome(first).ending is Ending.SUCCEEDED
    assert driver.outcome(third).ending is Ending.SUCCEEDED


def test_after_a_run_that_moved_away_the_next_are_at_home(
    driver: Driver, together: Callable[..., list[Claim]]
) -> None:
    claims = together({"folder": "/"}, *({"where": True} for _ in range(NUMBER)))

    moved, *others = outcomes(driver, claims)

    assert moved.ending is Ending.SUCCEEDED
    assert {json.loads(each.result or "") for each in others} == {os.getcwd()}


def test_what_was_not_begun_is_withdrawn_and_never_runs(
    driver: Driver, together: Callable[..., list[Claim]], tmp_path: Path
) -> None:
    file, flag = tmp_path / "pids", tmp_path / "flag"
    waits = {"file": str(file), "flag": str(flag)}
    claims = together(*[waits] * 2, *({"value": number} for number in range(NUMBER)))
    until(lambda: pids_in(file))

    withdrawn = driver.engine.withdraw()
    flag.touch()

    begun = [claim for claim in claims if claim not in withdrawn]
    assert {each.ending for each in outcomes(driver, begun)} == {Ending.SUCCEEDED}
    assert not {claim.run_id for claim in withdrawn} & driver.outcomes.keys()


def test_a_run_that_may_start_only_once_is_handed_over_alone(
    driver: Driver, together: Callable[..., list[Claim]], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(
        "jobreg.engines.children.wire.run_to", spy(given, "jobreg.engines.wire", "run_to")
    )

    once = JobOptions(max_attempts=1, max_crashes=1)
    claims = together(*({"value": number} for number in range(5)), options=once)

    assert {each.ending for each in outcomes(driver, claims)} == {Ending.SUCCEEDED}
    assert {len(each) for each in given} == {1}


def test_a_run_called_back_before_it_was_taken_up_must_not_begin() -> None:
    descriptor = make_file()
    ours, theirs = Page(descriptor), Page(descriptor)
    os.close(descriptor)

    assert theirs.take(1)
    assert ours.recall(3) == 1
    assert not theirs.take(2)
    assert not theirs.take(3)
    assert theirs.take(4)


def test_an_interrupt_is_for_one_run() -> None:
    descriptor = make_file()
    ours, theirs = Page(descriptor), Page(descriptor)
    os.close(descriptor)
    theirs.take(1)
    ours.ask(1, Ending.TIMEOUT)

    first = theirs.interrupt
    theirs.take(2)

    assert (first, theirs.interrupt) == (Ending.TIMEOUT, None)


@pytest.mark.parametrize("data", [b"x", b"\0\0", b'["done"]\nno'])
def test_what_cannot_become_a_message_is_told_at_once(data: bytes) -> None:
    with pytest.raises(ValueError, match="no message of ours"):
        list(Lines().feed(data))


def test_half_a_line_waits_for_the_other_half() -> None:
    lines = Lines()

    assert list(lines.feed(b'["a"]\n["b')) == [b'["a"]']
    assert list(lines.feed(b'"]\n')) == [b'["b"]']


def test_a_bell_rung_before_is_heard_at_once_and_once() -> None:
    bell, heard = Bell(), threading.Event()
    bell.tell()
    bell.tell()
    bell.wait(60)

    threading.Thread(target=lambda: (bell.wait(60), heard.set())).start()
    early = heard.wait(0.05)
    bell.tell()

    assert not early
    assert heard.wait(10)
    bell.close()
    bell.tell()


def test_a_bell_rung_while_another_ring_is_taken_is_heard_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bell, heard, read = Bell(), threading.Event(), os.read

    def read_late(end: int, size: int) -> bytes:
        bell.tell()
        return read(end, size)

    bell.tell()
    with monkeypatch.context() as patched:
        patched.setattr("jobreg.engines.bell.os.read", read_late)
        bell.wait(60)

    bell.tell()
    threading.Thread(target=lambda: (bell.wait(60), heard.set()), daemon=True).start()

    assert heard.wait(10)


def test_a_claim_keeps_its_params_on_the_way(driver: Driver) -> None:
    claim = evolve(driver.begin("does", value='"\\ \n é \U0001f600'))

    assert json.loads(driver.outcome(claim).result or "") == '"\\ \n é \U0001f600'
