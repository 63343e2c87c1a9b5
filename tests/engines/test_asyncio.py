"""Many coroutines in one child: together, each with its own limit, end, output and blame."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve
from engine_hands import HOSTILE, Driver
from hostile_jobs import JOBS
from waiting import alive, pids_in, until

from jobreg.engines.shared import ASYNCIO
from jobreg.lifecycle import Claim, Ending, Outcome, Provider, Reason
from jobreg.options import JobOptions
from jobreg.testing import write_plugin

AIO = JobOptions(engine="asyncio")
SHORT = JobOptions(engine="asyncio", timeout=0.5)


@pytest.fixture
def method() -> str:
    return "forkserver"


@pytest.fixture
def neighbour(driver: Driver, tmp_path: Path) -> Callable[[], Outcome]:
    """A run that has begun, in the child that all share; called, it may end."""
    claim = driver.begin("awaits", AIO, file=str(tmp_path / "n"), flag=str(tmp_path / "n.end"))
    until(lambda: pids_in(tmp_path / "n"))

    def ends() -> Outcome:
        (tmp_path / "n.end").touch()
        return driver.outcome(claim)

    return ends


def pid_of(file: Path) -> int:
    return until(lambda: pids_in(file))[0]


def result(outcome: Outcome) -> object:
    assert outcome.ending is Ending.SUCCEEDED, outcome
    return json.loads(outcome.result or "")


def test_a_hundred_are_under_way_at_once_in_one_child(driver: Driver) -> None:
    claims = [driver.begin("meets", AIO, number=ASYNCIO) for _ in range(ASYNCIO)]

    pids = {result(driver.outcome(claim)) for claim in claims}

    assert len(pids) == 1
    assert os.getpid() not in pids


def test_one_more_than_there_are_places_waits(driver: Driver, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    claims = [
        driver.begin("awaits", AIO, file=str(tmp_path / str(n)), flag=str(flag))
        for n in range(ASYNCIO + 1)
    ]
    until(lambda: all((tmp_path / str(n)).exists() for n in range(ASYNCIO)))
    taken = driver.engine.withdraw()

    assert taken == claims[-1:]
    assert driver.engine.room() == 0
    flag.touch()
    assert {result(driver.outcome(each)) for each in claims[:-1]} == {"seen"}


def test_a_child_is_reused_and_belongs_to_one_provider_and_one_engine(
    driver: Driver, tmp_path: Path
) -> None:
    name = "hostile.pid_awaiting"
    write_plugin(tmp_path / "plugin", {name: JOBS[name]}, dist="other")

    first, second = (result(driver.run("pid_awaiting", AIO)) for _ in range(2))
    single = result(driver.run("pid"))
    claim = evolve(driver.begin("pid_awaiting", AIO), run_id="o", provider=Provider("other", "1.0"))
    driver.engine.execute([claim])
    other = result(driver.outcome(claim))

    assert first == second
    assert len({first, single, other}) == 3


def test_what_an_async_job_raises_is_its_error(driver: Driver) -> None:
    outcome = driver.run("raises_awaiting", AIO)

    assert outcome.ending is Ending.ERROR
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == ("ValueError", "what went wrong")
    assert "aio.py" not in outcome.error.traceback
    assert driver.run("is_async", AIO, c=1).reason is Reason.REFUSED


def test_an_exit_in_a_task_ends_its_run_and_no_other(
    driver: Driver, neighbour: Callable[[], Outcome]
) -> None:
    outcome = driver.run("exits_in_a_task", AIO)

    assert outcome.ending is Ending.ERROR
    assert outcome.error is not None
    assert outcome.error.type == "SystemExit"
    assert result(neighbour()) == "seen"


@pytest.mark.parametrize("name", ["awaits_for_ever", "blocks"])
def test_a_run_over_its_time_is_interrupted_and_its_neighbours_go_on(
    driver: Driver, neighbour: Callable[[], Outcome], tmp_path: Path, name: str
) -> None:
    done = tmp_path / "done"

    outcome = driver.run(name, SHORT, file=str(tmp_path / "f"), done=str(done))

    assert outcome.ending is Ending.TIMEOUT
    assert outcome.error is not None
    assert "limit of 0.5 s" in outcome.error.message
    assert outcome.started is not None
    assert 0.4 <= outcome.ended - outcome.started < 0.9
    assert done.read_text() == "True"
    assert result(neighbour()) == "seen"
    assert result(driver.run("pid_awaiting", AIO)) == pid_of(tmp_path / "n")


@pytest.mark.parametrize("name", ["swallows_its_cancel", "blocks_and_swallows"])
def test_one_that_does_not_end_is_killed_and_its_neighbours_are_released(
    driver: Driver, neighbour: Callable[[], Outcome], tmp_path: Path, name: str
) -> None:
    outcome = driver.run(name, SHORT, file=str(tmp_path / "f"))
    beside = neighbour()

    assert outcome.ending is Ending.TIMEOUT
    assert (beside.ending, beside.error) == (Ending.RELEASED, None)
    assert beside.started is not None
    until(lambda: not alive(pid_of(tmp_path / "f")), 1)
    assert result(driver.run("is_async", AIO, value=1)) == 1


def test_a_cancelled_run_may_clean_up_and_its_neighbours_go_on(
    driver: Driver, neighbour: Callable[[], Outcome], tmp_path: Path
) -> None:
    file, done = tmp_path / "f", tmp_path / "done"
    claim = driver.begin("awaits_for_ever", AIO, file=str(file), done=str(done))
    pid_of(file)

    driver.engine.interrupt(claim.run_id, claim.attempt, Ending.CANCELLED)
    outcome = driver.outcome(claim, within=5)

    assert outcome.ending is Ending.CANCELLED
    assert done.read_text() == "True"
    assert result(neighbour()) == "seen"


def test_a_sigterm_from_elsewhere_does_not_cut_a_run_short(
    driver: Driver, neighbour: Callable[[], Outcome], tmp_path: Path
) -> None:
    os.kill(pid_of(tmp_path / "n"), signal.SIGTERM)

    assert result(neighbour()) == "seen"


@pytest.mark.parametrize("how", ["here", "task"])
def test_the_run_whose_step_kills_the_child_is_charged_and_no_other(
    driver: Driver, neighbour: Callable[[], Outcome], tmp_path: Path, how: str
) -> None:
    others = [driver.begin("awaits_for_ever", AIO, file=str(tmp_path / str(n))) for n in range(3)]
    guilty = driver.begin("dies_at", AIO, flag=str(tmp_path / "now"), how=how)
    until(lambda: all((tmp_path / str(n)).exists() for n in range(3)))

    (tmp_path / "now").touch()
    outcome = driver.outcome(guilty)

    assert (outcome.ending, outcome.exit_signal) == (Ending.CRASHED, signal.SIGKILL)
    assert outcome.error is not None
    assert "SIGKILL" in outcome.error.message
    assert {driver.outcome(each).ending for each in others} == {Ending.RELEASED}
    assert neighbour().ending is Ending.RELEASED


@pytest.mark.parametrize("how", ["thread", "late"])
def test_where_nobody_can_say_whose_fault_it_was_all_are_suspects(
    driver: Driver, neighbour: Callable[[], Outcome], tmp_path: Path, how: str
) -> None:
    guilty = driver.begin("dies_at", AIO, flag=str(tmp_path / "now"), how=how)
    (tmp_path / "now").touch()

    outcome, beside = driver.outcome(guilty), neighbour()

    assert (outcome.ending, beside.ending) == (Ending.LOST, Ending.LOST)
    assert outcome.error is not None
    assert "that ran it and others died" in outcome.error.message


@pytest.mark.parametrize("how", ["thread", "late"])
def test_one_that_is_alone_is_charged_wherever_it_dies(
    driver: Driver, tmp_path: Path, how: str
) -> None:
    (tmp_path / "now").touch()

    outcome = driver.run("dies_at", AIO, flag=str(tmp_path / "now"), how=how)

    assert outcome.ending is Ending.CRASHED


def test_what_a_child_was_given_and_did_not_begin_is_begun_by_the_next(
    driver: Driver, tmp_path: Path
) -> None:
    blocking = driver.begin("blocks_and_swallows", SHORT, file=str(tmp_path / "f"))
    pid_of(tmp_path / "f")

    second = driver.begin("is_async", AIO, value=2)

    assert driver.outcome(blocking).ending is Ending.TIMEOUT
    assert result(driver.outcome(second)) == 2


def test_bytes_in_our_pipe_are_nobodys_fault_for_certain(
    driver: Driver, neighbour: Callable[[], Outcome]
) -> None:
    outcome = driver.run("scribbles", AIO)

    assert (outcome.ending, neighbour().ending) == (Ending.LOST, Ending.LOST)


def test_killing_all_releases_what_ran(driver: Driver, neighbour: Callable[[], Outcome]) -> None:
    driver.engine.kill()

    assert neighbour().ending is Ending.RELEASED


def test_runs_are_told_that_the_worker_stops(driver: Driver, tmp_path: Path) -> None:
    claim = driver.begin("until_stopping_awaiting", AIO, file=str(tmp_path / "f"))
    pid_of(tmp_path / "f")

    driver.engine.announce_stop()

    assert result(driver.outcome(claim)) == "stopped in time"


def test_lines_of_neighbours_never_mix(driver: Driver) -> None:
    names = ["one", "two", "three"]
    claims = [driver.begin("speaks", AIO, who=each, number=3, times=20) for each in names]

    for name, claim in zip(names, claims, strict=True):
        lines = driver.lines(driver.outcome(claim))
        told = [line.text for line in lines if line.stream == "stdout"]
        logged = [line.text for line in lines if line.stream == "logging"]
        printed = [f"{name} {n}" for n in range(20)]
        assert [each for each in told if each[-1].isdigit()] == printed
        assert told.count(f"{name} in a thread") == 20
        assert told[-1] == f"{name} ends"
        assert len(told) == 41
        assert logged == [f"{name} logs {n}" for n in range(20)]


def test_bare_bytes_are_of_the_only_run_there_is_or_of_none(driver: Driver, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    alone = driver.begin("says_bare", AIO, text="alone", file=str(tmp_path / "a"), flag=str(flag))
    pid_of(tmp_path / "a")
    beside = driver.begin("says_bare", AIO, text="beside", file=str(tmp_path / "b"), flag=str(flag))
    pid_of(tmp_path / "b")
    flag.touch()

    told = [[x.text for x in driver.lines(driver.outcome(each))] for each in (alone, beside)]

    assert told == [["alone"], []]


def test_each_runs_secrets_are_hidden_from_its_own_output(driver: Driver) -> None:
    options = evolve(AIO, redact=("password",))
    one = driver.begin("prints_secret", options, password="open sesame", number=2)
    two = driver.begin("prints_secret", options, password="swordfish", number=2)

    told = [[x.text for x in driver.lines(driver.outcome(each))] for each in (one, two)]

    assert told == [["it is [redacted]"]] * 2


def test_a_run_knows_itself_in_its_tasks_and_threads(driver: Driver) -> None:
    outcome = driver.run("facts_everywhere", AIO)

    assert result(outcome) == [outcome.run_id] * 3


def test_progress_is_passed_on_and_its_last_word_always_arrives(driver: Driver) -> None:
    outcome = driver.run("reports_progress_awaiting", AIO, times=10_000)

    assert outcome.progress is not None
    assert outcome.progress.done == 10_000
    assert {note.run_id for note in driver.notes} == {outcome.run_id}


@pytest.mark.parametrize("name", ["changes_folder_awaiting", "leaves_a_call", "hears_of_all"])
def test_a_child_that_a_run_changed_is_not_used_again(
    driver: Driver, tmp_path: Path, name: str
) -> None:
    before = result(driver.run("pid_awaiting", AIO))

    params = {} if name == "hears_of_all" else {"file": str(tmp_path / "f")}
    assert driver.run(name, AIO, **params).ending is Ending.SUCCEEDED
    after = result(driver.run("pid_awaiting", AIO))

    assert before != after


def test_what_a_run_sets_for_its_tasks_and_calls_is_for_it_alone(
    driver: Driver, neighbour: Callable[[], Outcome], tmp_path: Path
) -> None:
    found = result(driver.run("sets_up_its_loop", AIO))
    after = driver.run("facts_everywhere", AIO)
    guilty = driver.begin("dies_at", AIO, flag=str(tmp_path / "now"), how="task")
    (tmp_path / "now").touch()

    assert found == [True, pid_of(tmp_path / "n")]
    assert result(after) == [after.run_id] * 3
    assert driver.outcome(guilty).ending is Ending.CRASHED
    assert neighbour().ending is Ending.RELEASED


def test_a_task_that_begins_at_once_does_not_hide_whose_step_it_is(
    driver: Driver, neighbour: Callable[[], Outcome]
) -> None:
    outcome = driver.run("sets_up_its_loop", AIO, flag="now")

    assert (outcome.ending, neighbour().ending) == (Ending.CRASHED, Ending.RELEASED)


def test_a_loop_that_stands_still_in_nobodys_step_is_given_up(
    driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobreg.engines.children.IMPORT_LIMIT", 1.0)
    told = {"file": str(tmp_path / "n"), "flag": str(tmp_path / "n.end")}
    beside = driver.begin("awaits", AIO, **told)
    pid = pid_of(tmp_path / "n")
    driver.run("leaves_what_stands_still", AIO, file=str(tmp_path / "f"))
    assert pid_of(tmp_path / "f") == pid

    after = result(driver.run("pid_awaiting", AIO))

    assert after != pid
    assert driver.outcome(beside).ending is Ending.RELEASED


def test_a_child_that_begins_nothing_is_given_no_more(
    driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobreg.engines.shared._SLOW", 0.1)
    lane = "asyncio", HOSTILE
    driver.run("leaves_what_stands_still", AIO, file=str(tmp_path / "f"))
    assert pid_of(tmp_path / "f")

    driver.begin("pid_awaiting", AIO)

    assert driver.engine.rooms([lane])[lane].places > 0
    until(lambda: driver.engine.rooms([lane])[lane].places == 0)


def test_a_task_that_a_job_left_is_cancelled_with_its_run(driver: Driver, tmp_path: Path) -> None:
    assert driver.run("leaves_a_task", AIO, file=str(tmp_path / "f")).ending is Ending.SUCCEEDED

    assert (tmp_path / "f.done").exists()


def test_a_probe_tells_that_an_async_def_is_for_asyncio(driver: Driver) -> None:
    asked = ("is_async", "pid_in_a_thread", "own_loop", "pid")
    for name in (*asked, "cannot_be_in_threads", "cannot_be_awaited"):
        driver.engine.probe(f"hostile.{name}", JOBS[f"hostile.{name}"], HOSTILE)

    until(lambda: driver.hear() or len(driver.hellos) == 6)

    hellos = {each.job_name.partition(".")[2]: each for each in driver.hellos}
    said = [hellos[name].options.runs_in for name in asked]  # type: ignore[union-attr]
    assert said == ["asyncio", "threads", "processes", "processes"]
    for name in ("cannot_be_in_threads", "cannot_be_awaited"):
        assert hellos[name].code == "engine_mismatch"
        assert "written with 'async def'" in (hellos[name].trouble or "")


def test_a_fresh_process_runs_an_async_job_alone(driver: Driver) -> None:
    options = JobOptions(engine="asyncio", isolation="fresh")

    pids = {result(driver.run("own_loop", options)) for _ in range(2)}

    assert len(pids) == 2


def test_a_worker_with_one_child_lets_each_lane_have_its_turn(
    driver: Driver, neighbour: Callable[[], Outcome]
) -> None:
    single: Claim = driver.begin("pid")
    waiting = driver.begin("is_async", AIO, value=3)

    assert result(driver.outcome(waiting)) == 3
    assert result(neighbour()) == "seen"
    assert isinstance(result(driver.outcome(single)), int)
