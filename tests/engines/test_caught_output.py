"""What runs print and log comes back with them, whole, bounded, and never with another run."""

from __future__ import annotations

import os
import signal
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_hands import HOSTILE, Driver
from waiting import alive, pids_in, until

from jobreg.engines.capture import LONGEST
from jobreg.events import listen
from jobreg.lifecycle import Ending, LogLine
from jobreg.options import JobOptions


def told(lines: list[LogLine], stream: str) -> list[tuple[str, str | None, str]]:
    return [(each.level, each.logger, each.text) for each in lines if each.stream == stream]


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """What children say outside of runs."""
    texts: list[str] = []
    deaf = listen(lambda name, facts: name == "child.output" and texts.append(str(facts["text"])))
    yield texts
    deaf()


def test_output_is_caught_however_it_is_made(driver: Driver) -> None:
    lines = driver.log("says_it_every_way")

    printed = told(lines, "stdout")
    assert sorted(text for _, _, text in printed) == ["C 42", "print", "subprocess", "write"]
    assert {(level, logger) for level, logger, _ in printed} == {("INFO", None)}
    assert told(lines, "stderr") == [
        ("WARNING", None, "print to stderr"),
        ("WARNING", None, "write to stderr"),
    ]
    assert told(lines, "logging") == [("WARNING", "hostile.talk", "logged it")]


def test_records_keep_level_and_logger_and_info_is_enough(driver: Driver) -> None:
    lines = driver.log("logs_levels")

    assert {each.logger for each in lines} == {"hostile.levels"}
    assert [(each.level, each.text) for each in lines][:5] == [
        ("INFO", "info!"),
        ("WARNING", "warning!"),
        ("ERROR", "error!"),
        ("CRITICAL", "critical!"),
        ("ERROR", "caught"),
    ]
    assert lines[-1].text == "ZeroDivisionError: division by zero"
    assert (lines[-1].level, lines[-1].stream) == ("ERROR", "logging")


def test_a_library_that_logs_to_nobody_is_heard(driver: Driver) -> None:
    lines = driver.log("logs_at_every_end", text="quiet library")

    assert told(lines, "logging") == [
        ("INFO", "with.null.handler", "quiet library"),
        ("INFO", "root", "by the root"),
    ]


def test_a_job_may_configure_logging_and_is_heard_once(driver: Driver) -> None:
    lines = driver.log("configures_logging", text="mine")

    assert [(each.stream, each.text) for each in lines] == [("stderr", "own DEBUG mine")]


def test_nonsense_in_records_costs_no_more_than_itself(driver: Driver) -> None:
    lines = driver.log("logs_nonsense")

    logged = [each for each in lines if each.stream == "logging"]
    texts = [each.text for each in logged]
    assert texts == ["half \\ud800 a pair", "two", "lines", "in between", "late"]
    assert logged[3].level == "Level 25"
    assert logged[4].at.year < 3000
    assert max(len(each.level + (each.logger or "")) for each in logged) <= 512
    assert "TypeError: %d format: a real number is required, not str" in [
        each.text for each in lines if each.stream == "stderr"
    ]


def test_bytes_that_are_no_text_are_escaped_and_a_last_line_needs_no_end(driver: Driver) -> None:
    lines = driver.log("prints_bytes", hexed=b"caf\xc3\xa9 \xff\xfe\nno end \xc3".hex())

    assert [each.text for each in lines] == ["café \\xff\\xfe", "no end \\xc3"]


def test_runs_of_one_child_never_mix(driver: Driver) -> None:
    claims = [
        driver.begin("prints", text=f"one {number}\ntwo {number}", end="") for number in range(60)
    ]
    outcomes = [driver.outcome(claim) for claim in claims]

    assert len({outcome.pid for outcome in outcomes}) == 1
    for number, outcome in enumerate(outcomes):
        texts = [each.text for each in driver.lines(outcome)]
        assert texts == [f"one {number}", f"two {number}"]


def test_the_last_words_of_a_crash_are_kept(driver: Driver) -> None:
    outcome = driver.run("prints_and_segfaults")

    lines = driver.lines(outcome)
    assert outcome.exit_signal == signal.SIGSEGV
    assert "last words" in [each.text for each in lines if each.stream == "stdout"]
    stderr = [each.text for each in lines if each.stream == "stderr"]
    assert "Fatal Python error: Segmentation fault" in stderr
    assert any("in prints_and_segfaults" in text for text in stderr)


def test_a_record_survives_the_death_right_after_it(driver: Driver) -> None:
    for number in range(10):
        outcome = driver.run("logs_and_dies", text=f"the {number}th last word")

        assert outcome.ending is Ending.CRASHED
        assert [each.text for each in driver.lines(outcome)] == [f"the {number}th last word"]


def test_ten_megabytes_are_kept_to_the_cap_and_the_rest_is_counted(driver: Driver) -> None:
    lines = driver.log("prints_lines", number=100_000, width=100)

    *printed, marker = lines
    assert (marker.stream, marker.level, marker.logger) == ("logging", "WARNING", "jobreg")
    assert "JOBREG_MAX_LOG keeps 8,388,608 bytes" in marker.text
    kept = sum(len(each.text) + 1 for each in printed)
    cut = int(marker.text.split()[2].replace(",", ""))
    assert 0.98 * 8 * 1024 * 1024 < kept <= 8 * 1024 * 1024
    assert abs(kept + cut - 10_000_000) < 200
    assert {each.text for each in printed[:-1]} == {"x" * 99}


@pytest.mark.parametrize("max_log", [3_000])
def test_progress_makes_no_new_room_for_output(driver: Driver) -> None:
    *printed, marker = driver.log("prints_with_progress")

    kept = sum(len(each.text) + 1 for each in printed)
    cut = int(marker.text.split()[2].replace(",", ""))
    assert 2_000 <= kept <= 3_000
    assert abs(kept + cut - 6_000) < 10


@pytest.mark.parametrize("max_log", [20_000_000])
def test_a_larger_cap_keeps_it_all(driver: Driver) -> None:
    lines = driver.log("prints_lines", number=100_000, width=100)

    assert [each.text for each in lines] == ["x" * 99] * 100_000
    assert len({each.at for each in lines}) > 1


def test_one_that_prints_for_ever_fills_no_memory_and_stops_nobody(
    driver: Driver, tmp_path: Path
) -> None:
    driver.run("echo")
    tracemalloc.start()

    outcome = driver.run("prints_for_ever", JobOptions(timeout=1.5), file=str(tmp_path / "pids"))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert outcome.ending is Ending.TIMEOUT
    assert outcome.started is not None
    assert outcome.ended - outcome.started < 1.5 + 0.5 + 1
    assert "cut: " in driver.lines(outcome)[-1].text
    assert most < 4 * 8 * 1024 * 1024
    assert driver.log("prints", text="next")[0].text == "next"


def test_a_line_of_a_megabyte_comes_in_pieces(driver: Driver) -> None:
    lines = driver.log("prints", text="0123456789" * 100_000)

    assert max(len(each.text) for each in lines) <= LONGEST
    assert "".join(each.text for each in lines) == "0123456789" * 100_000
    assert len(lines) < 40


@pytest.mark.parametrize("name", ["throws_stdout_away", "closes_stdout", "redirects_stdout",
                                  "makes_stdout_impatient"])  # fmt: skip
def test_a_job_that_closes_its_streams_leaves_the_next_one_heard(
    driver: Driver, tmp_path: Path, name: str
) -> None:
    file = {"file": str(tmp_path / "elsewhere")} if name == "redirects_stdout" else {}
    assert driver.run(name, **file).ending is Ending.SUCCEEDED

    lines = driver.log("says_it_every_way")

    assert len(lines) == 7


def test_a_thread_that_prints_on_is_no_part_of_the_next_run(driver: Driver, tmp_path: Path) -> None:
    driver.log("prints_after_return", text="late", file=str(tmp_path / "pids"))

    lines = driver.log("prints", text="mine")

    assert [each.text for each in lines] == ["mine"]


def test_a_subprocess_that_prints_on_is_no_part_of_the_next_run_and_ends(
    driver: Driver, tmp_path: Path
) -> None:
    file = tmp_path / "pids"
    driver.log("leaves_a_talker", file=str(file))
    (talker,) = pids_in(file) or [0]

    lines = driver.log("prints", text="mine")

    assert [each.text for each in lines] == ["mine"]
    until(lambda: not alive(talker), 2, "what a job left running ends with its child")


@pytest.mark.parametrize(
    ("name", "ending"),
    [("leaves_a_daemon", Ending.SUCCEEDED), ("leaves_a_daemon_and_dies", Ending.CRASHED)],
)
def test_a_daemon_that_keeps_the_pipes_open_delays_nothing(
    driver: Driver, tmp_path: Path, name: str, ending: Ending
) -> None:
    file = tmp_path / "pids"
    claim = driver.begin(name, file=str(file))
    (daemon,) = until(lambda: pids_in(file))

    try:
        assert driver.outcome(claim, within=3).ending is ending
        assert driver.log("prints", text="mine")[0].text == "mine"
        assert alive(daemon), "it left the group, so it is out of reach"
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_what_a_job_writes_into_our_pipe_of_records_is_shown_as_text(driver: Driver) -> None:
    lines = driver.log("forges_records")

    texts = [each.text for each in lines]
    assert texts == ["[1, 2", '{"a": 1}', '["x", 2, 3, 4]', "half a line", "and a true one"]
    assert {each.stream for each in lines} == {"logging"}


def test_output_comes_while_the_run_goes_on_and_progress_does_not_starve_it(
    driver: Driver, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    claim = driver.begin("works_with_progress", file=str(tmp_path / "pids"), flag=str(flag))

    def both() -> bool:
        driver.hear()
        texts = {chunk.text for chunk in driver.output.get(claim.run_id, ())}
        return texts >= {"at work", "at work, too"}

    until(both, 10, "both lines, while the job goes on")
    until(lambda: driver.hear() or len(driver.notes) > 3, 10, "and progress beside them")
    assert claim.run_id not in driver.outcomes
    flag.touch()

    assert driver.outcome(claim).ending is Ending.SUCCEEDED


def test_what_an_import_prints_belongs_to_no_run(
    driver: Driver, tmp_path: Path, heard: list[str]
) -> None:
    (tmp_path / "plugin" / "loud_plugin.py").write_text(
        "import sys\nprint('loud \\x1b[31m')\nprint('louder', file=sys.stderr)\n"
        "def job(): print('job')\n"
    )
    driver.engine.probe("hostile.loud", "loud_plugin:job", HOSTILE)
    until(lambda: driver.hear() or driver.hellos, 10)

    assert sorted(heard) == ["loud \x1b[31m", "louder"]
    assert driver.output == {}
