"""jobreg runs logs, and the log in jobreg run: harmless, live, on the right stream."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_jobs import JOBS, SOURCE
from waiting import descriptors, pids_in, until

HOSTILE = "\x1b[31mred\x07 \u202eturned\u2028line\r"
FIELDS = ["at", "attempt", "stream", "level", "logger", "text"]


@pytest.fixture
def environ(fake_plugins, tmp_path: Path) -> dict[str, str]:
    fake_plugins.add("hostile", "1.0", JOBS, {"hostile_jobs_plugin.py": SOURCE})
    return fake_plugins.env(JOBREG_STORE=str(tmp_path / "jobs.db"), TZ="UTC")


@pytest.fixture
def jobreg(run_cli, environ):
    return lambda *arguments: run_cli(*arguments, env=environ)


def done(jobreg, name: str, *params: str) -> str:
    """Submit a run, let a worker execute it, and give its id."""
    run_id = jobreg("submit", f"hostile.{name}", *params).stdout.strip()
    jobreg("worker", "--until-idle")
    return run_id


def begin(environ, tmp_path, *arguments: str, **more):
    return subprocess.Popen(
        [sys.executable, "-m", "jobreg", *arguments],
        env=environ, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **more,
    )  # fmt: skip


def test_logs_tells_time_level_and_text_line_by_line(jobreg):
    run_id = done(jobreg, "says_it_every_way")

    told = jobreg("runs", "logs", run_id)

    assert (told.returncode, told.stderr) == (0, "")
    lines = told.stdout.splitlines()
    assert len(lines) == 7
    for line in lines:
        day, time, level, _ = line.split(maxsplit=3)
        assert (len(day), len(time), level in ("INFO", "WARNING")) == (10, 8, True)
    assert lines[0][20:] == "INFO     print"


def test_hostile_text_is_shown_harmless(jobreg):
    run_id = done(jobreg, "prints", f"text={json.dumps(HOSTILE)}")

    for more in ([], ["--json"], ["--follow"], ["--follow", "--json"]):
        told = jobreg("runs", "logs", run_id, *more)

        assert (told.returncode, told.stderr) == (0, "")
        assert not set("\x1b\x07\u202e\u2028\r") & set(told.stdout)
        assert "red" in told.stdout
    assert jobreg("runs", "logs", run_id).stdout.count("\n") == 1


def test_json_is_one_list_and_followed_one_object_a_line(jobreg):
    run_id = done(jobreg, "says_it_every_way")

    whole = json.loads(jobreg("runs", "logs", run_id, "--json").stdout)
    followed = jobreg("runs", "logs", run_id, "--json", "-f").stdout.splitlines()

    assert [list(line) for line in whole] == [FIELDS] * 7
    assert [json.loads(line) for line in followed] == whole
    (logged,) = [line for line in whole if line["stream"] == "logging"]
    assert (logged["level"], logged["logger"], logged["text"]) == (
        "WARNING", "hostile.talk", "logged it",
    )  # fmt: skip
    assert logged["at"].endswith("Z")


def test_attempts_are_marked_and_can_be_chosen(jobreg, tmp_path):
    (tmp_path / "flag").touch()
    run_id = done(jobreg, "prints_and_fails_once", f"flag={tmp_path / 'flag'}")
    jobreg("worker", "--until-idle")
    assert jobreg("runs", "wait", run_id).returncode == 0

    whole = jobreg("runs", "logs", run_id).stdout.splitlines()
    second = jobreg("runs", "logs", run_id, "--attempt", "2").stdout.splitlines()
    errors = jobreg("runs", "logs", run_id, "--level", "error").stdout.splitlines()

    assert [line[29:] or line for line in whole] == [
        "attempt 1", "no luck", "attempt 2", "attempt 2", "done",
    ]  # fmt: skip
    assert whole[2] == "attempt 2"
    assert [line[29:] for line in second] == ["attempt 2", "done"]
    assert [line[29:] for line in errors] == ["no luck"]


def test_a_run_that_said_nothing_is_told_so_on_stderr(jobreg):
    run_id = done(jobreg, "echo")

    plain, as_json = jobreg("runs", "logs", run_id), jobreg("runs", "logs", run_id, "--json")

    assert (plain.returncode, plain.stdout) == (0, "")
    assert plain.stderr == "Nothing was printed or logged.\n"
    assert (as_json.stdout, as_json.stderr) == ("[]\n", "")


def test_follow_shows_lines_as_they_come_and_ends_with_the_run(jobreg, environ, tmp_path):
    flag, file = tmp_path / "flag", tmp_path / "pids"
    run_id = jobreg(
        "submit", "hostile.works_with_progress", f"file={file}", f"flag={flag}"
    ).stdout.strip()
    follower = begin(environ, tmp_path, "runs", "logs", run_id, "-f")
    worker = begin(environ, tmp_path, "worker", "--until-idle")

    lines = [follower.stdout.readline(), follower.stdout.readline()]
    running = follower.poll() is None and not flag.exists()
    flag.touch()
    rest, errors = follower.communicate(timeout=30)
    worker.communicate(timeout=30)

    assert sorted(line[29:] for line in lines) == ["at work\n", "at work, too\n"]
    assert running
    assert (follower.returncode, rest, errors) == (0, "", "")


def test_ctrl_c_ends_a_follower_and_nothing_else(jobreg, environ, tmp_path):
    run_id = jobreg("submit", "hostile.echo").stdout.strip()
    done(jobreg, "echo")
    waiting = jobreg("submit", "hostile.echo", "--delay", "1h").stdout.strip()
    follower = begin(environ, tmp_path, "runs", "logs", waiting, "-f", "--json")
    store = os.path.realpath(tmp_path / "jobs.db")
    until(lambda: descriptors(follower.pid).count(store) > 1, 20, "it has opened the store")

    follower.send_signal(signal.SIGINT)
    stdout, stderr = follower.communicate(timeout=30)

    assert (follower.returncode, stdout, stderr) == (130, "", "jobreg: interrupted\n")
    assert json.loads(jobreg("runs", "show", run_id, "--json").stdout)["state"] == "succeeded"


def test_a_reader_that_has_seen_enough_is_no_error(jobreg, environ, tmp_path):
    run_id = done(jobreg, "prints_lines", "number=20000", "width=100")

    for more in ([], ["-f", "--json"]):
        reader = begin(environ, tmp_path, "runs", "logs", run_id, *more)
        first = reader.stdout.readline()
        reader.stdout.close()
        stderr = reader.stderr.read()

        assert "xxx" in first
        assert (reader.wait(30), stderr) == (0, "")


def test_run_shows_the_log_on_stderr_and_the_result_alone_on_stdout(jobreg):
    told = jobreg("run", "hostile.says_it_every_way")

    assert (told.returncode, told.stdout) == (0, "null\n")
    assert sorted(told.stderr.splitlines()) == sorted(
        ["print", "print to stderr", "write", "write to stderr", "subprocess", "C 42",
         "WARNING logged it"]
    )  # fmt: skip


def test_run_shows_hostile_text_harmless(jobreg):
    told = jobreg("run", "hostile.prints", f"text={json.dumps(HOSTILE)}")

    assert not set("\x1b\x07\u202e\u2028\r") & set(told.stderr)
    assert told.stderr.count("\n") == 1


def test_on_a_terminal_the_log_stands_above_the_bar(environ, tmp_path):
    flag, file = tmp_path / "flag", tmp_path / "pids"
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "jobreg", "run", "hostile.works_with_progress",
         f"file={file}", f"flag={flag}"],
        env=environ, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    until(lambda: pids_in(file), 20)
    while b"at work, too" not in shown or b"\x1b[K" not in shown:
        shown += os.read(terminal, 1000)
    flag.touch()
    process.communicate(timeout=30)
    os.close(terminal)

    assert process.returncode == 0
    for said in (b"at work\r\n", b"at work, too\r\n"):
        before, _, _ = shown.partition(said)
        assert before.endswith((b"\x1b[K", b"\n", b"INFO ")) or not before


def test_a_worker_does_not_echo_what_runs_print(jobreg):
    jobreg("submit", "hostile.says_it_every_way")

    told = jobreg("worker", "--until-idle")

    assert told.stdout == ""
    for said in ("subprocess", "print to stderr", "logged it", "C 42"):
        assert said not in told.stderr


def test_what_an_import_prints_is_in_the_workers_log_and_harmless(jobreg, fake_plugins, environ):
    source = f"print({HOSTILE!r})\ndef job(): print('said by the run')\n"
    fake_plugins.add("loud", "1.0", {"loud.job": "loud_mod:job"}, {"loud_mod.py": source})
    run_id = jobreg("submit", "loud.job").stdout.strip()

    told = jobreg("worker", "--until-idle", "--concurrency", "1")

    (line,) = [each for each in told.stderr.splitlines() if "child.output" in each]
    assert "job_name=loud.job" in line
    assert "red" in line
    assert not set("\x1b\x07\u202e") & set(told.stderr)
    assert "said by the run" in jobreg("runs", "logs", run_id).stdout
