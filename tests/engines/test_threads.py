"""Many runs in the threads of one child: together, each with its own limit, end and output."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from engine_hands import Driver
from waiting import alive, pids_in, until

from jobreg.engines.shared import THREADS
from jobreg.lifecycle import Ending, Outcome
from jobreg.options import JobOptions

THREADED = JobOptions(engine="threads")
SHORT = JobOptions(engine="threads", timeout=0.5)


@pytest.fixture
def method() -> str:
    return "forkserver"


@pytest.fixture
def neighbour(driver: Driver, tmp_path: Path) -> Callable[[], Outcome]:
    """A run that has begun, in the child that all share; called, it may end."""
    told = {"file": str(tmp_path / "n"), "flag": str(tmp_path / "n.end")}
    claim = driver.begin("waits_for", THREADED, **told)
    until(lambda: pids_in(tmp_path / "n"))

    def ends() -> Outcome:
        (tmp_path / "n.end").touch()
        return driver.outcome(claim)

    return ends


def result(outcome: Outcome) -> object:
    assert outcome.ending is Ending.SUCCEEDED, outcome
    return json.loads(outcome.result or "")


def test_twenty_are_under_way_at_once_in_one_child(driver: Driver) -> None:
    claims = [driver.begin("meets_in_threads", THREADED, number=THREADS) for _ in range(THREADS)]

    pids = {result(driver.outcome(claim)) for claim in claims}

    assert len(pids) == 1
    assert os.getpid() not in pids
    assert {result(driver.run("pid", THREADED))} == pids


@pytest.mark.parametrize("module", ["multiprocess", "multiprocessing"])
def test_jobs_that_share_memory_keep_their_child(driver: Driver, module: str) -> None:
    before = result(driver.run("pid", THREADED))

    told = [result(driver.run("shares_memory", THREADED, module=module)) for _ in range(3)]

    assert told == [{"read": 7, "pid": before}] * 3
    assert result(driver.run("pid", THREADED)) == before


def test_what_a_job_raises_is_its_error(driver: Driver) -> None:
    outcome = driver.run("raises", THREADED)

    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == ("ValueError", "what went wrong")
    assert driver.run("leaves", THREADED).error.type == "SystemExit"  # type: ignore[union-attr]


def test_a_run_over_its_time_is_interrupted_and_its_neighbours_go_on(
    driver: Driver, neighbour: Callable[[], Outcome], tmp_path: Path
) -> None:
    outcome = driver.run("spins", SHORT, file=str(tmp_path / "f"))

    assert outcome.ending is Ending.TIMEOUT
    assert outcome.error is not None
    assert "limit of 0.5 s" in outcome.error.message
    line = "pass" if sys.version_info >= (3, 14) else "while True"  # where it says that it is
    assert f"in spins\n    {line}" in outcome.error.traceback
    assert "jobreg.errors.Interrupted: The run was told to end" in outcome.error.traceback
    assert result(neighbour()) == "seen"


@pytest.mark.parametrize("name", ["sleeps_in_c", "swallows_the_interrupt"])
def test_one_that_does_not_end_is_killed_and_its_neighbours_are_released(
    driver: Driver, neighbour: Callable[[], Outcome], tmp_path: Path, name: str
) -> None:
    outcome = driver.run(name, SHORT, file=str(tmp_path / "f"))
    beside = neighbour()

    assert outcome.ending is Ending.TIMEOUT
    assert (beside.ending, beside.error) == (Ending.RELEASED, None)
    pids = until(lambda: pids_in(tmp_path / "f", 2))
    until(lambda: not any(map(alive, pids)), 1)
    assert result(driver.run("echo", THREADED, value=1)) == 1


def test_a_cancelled_run_sees_so_and_its_neighbours_go_on(
    driver: Driver, neighbour: Callable[[], Outcome], tmp_path: Path
) -> None:
    file, done = tmp_path / "f", tmp_path / "done"
    claim = driver.begin("sees_its_cancel", THREADED, file=str(file), done=str(done))
    until(lambda: pids_in(file))

    driver.engine.interrupt(claim.run_id, claim.attempt, Ending.CANCELLED)
    outcome = driver.outcome(claim, within=5)

    assert outcome.ending is Ending.CANCELLED
    assert done.read_text() == "True"
    assert result(neighbour()) == "seen"


def test_a_sigterm_from_elsewhere_does_not_cut_a_run_short(
    driver: Driver, neighbour: Callable[[], Outcome], tmp_path: Path
) -> None:
    os.kill(until(lambda: pids_in(tmp_path / "n"))[0], signal.SIGTERM)

    assert result(neighbour()) == "seen"


def test_where_several_had_begun_all_are_suspects(
    driver: Driver, neighbour: Callable[[], Outcome], tmp_path: Path
) -> None:
    told = {"file": str(tmp_path / "f"), "flag": str(tmp_path / "now")}
    guilty = driver.begin("dies_in_its_thread", THREADED, **told)
    until(lambda: pids_in(tmp_path / "f"))

    (tmp_path / "now").touch()

    assert driver.outcome(guilty).ending is Ending.LOST
    assert neighbour().ending is Ending.LOST


def test_one_that_is_alone_is_charged(driver: Driver, tmp_path: Path) -> None:
    (tmp_path / "now").touch()
    told = {"file": str(tmp_path / "f"), "flag": str(tmp_path / "now")}

    outcome = driver.run("dies_in_its_thread", THREADED, **told)

    assert (outcome.ending, outcome.exit_signal) == (Ending.CRASHED, signal.SIGKILL)


def test_lines_of_neighbours_never_mix(driver: Driver) -> None:
    names = ["one", "two", "three", "four"]
    told = {"number": 4, "times": 200}
    claims = [driver.begin("speaks_in_a_thread", THREADED, who=each, **told) for each in names]

    for name, claim in zip(names, claims, strict=True):
        lines = driver.lines(driver.outcome(claim))
        texts = {
            stream: [line.text for line in lines if line.stream == stream]
            for stream in ("stdout", "stderr", "logging")
        }
        assert texts["stdout"] == [f"{name} {n}" for n in range(200)]
        assert texts["stderr"] == [f"{name} on stderr"] * 200
        assert texts["logging"] == [f"{name} logs {n}" for n in range(200)]


def test_a_run_knows_itself(driver: Driver) -> None:
    outcome = driver.run("facts", THREADED)

    assert result(outcome)[:2] == [outcome.run_id, "hostile.facts"]  # type: ignore[index]


def test_progress_is_passed_on_and_its_last_word_always_arrives(driver: Driver) -> None:
    outcome = driver.run("says_progress", THREADED, times=100_000)

    assert outcome.progress is not None
    assert outcome.progress.done == 100_000
    assert result(outcome) == outcome.run_id


@pytest.mark.parametrize(
    "name", ["changes_folder", "changes_umask", "starts_a_thread", "closes_stdout"]
)
def test_a_child_that_a_run_changed_is_not_used_again(driver: Driver, name: str) -> None:
    before = result(driver.run("pid", THREADED))

    assert driver.run(name, THREADED).ending is Ending.SUCCEEDED
    after = result(driver.run("pid", THREADED))

    assert before != after


def test_a_child_that_was_stopped_is_given_up_by_what_has_not_begun(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = result(driver.run("pid", THREADED))
    monkeypatch.setattr("jobreg.engines.children.IMPORT_LIMIT", 1.0)
    assert isinstance(before, int)
    os.kill(before, signal.SIGSTOP)

    after = result(driver.run("pid", THREADED))

    assert after != before
    assert f"child.stuck pid={before}" in caplog.text


def test_killing_all_releases_what_ran(driver: Driver, neighbour: Callable[[], Outcome]) -> None:
    driver.engine.kill()

    assert neighbour().ending is Ending.RELEASED
