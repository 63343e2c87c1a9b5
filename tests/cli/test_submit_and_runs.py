"""jobreg submit and jobreg runs, as programs see them: fields, exit codes, stdout and stderr."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from store_hands import Ending, add_worker, claim_one, finish, outcome, settle
from waiting import until
from warm_start import text_of

from jobreg.lifecycle import Progress
from jobreg.store import open_store

NAME = "reports.render"
RUN_FIELDS = [
    "run_id", "job_name", "params", "state", "reason", "waiting_on", "result", "error", "attempt",
    "tries", "crashes", "max_attempts", "max_crashes", "queue", "priority", "timeout",
    "unique_key", "retried_from", "created_at", "scheduled_at", "started_at", "finished_at",
    "progress", "provider", "worker_id", "tags",
]  # fmt: skip
ATTEMPT_FIELDS = [
    "attempt", "outcome", "started_at", "finished_at", "provider", "worker_id", "host", "pid",
    "exit_signal", "error",
]  # fmt: skip
NO_RUN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def environ(fake_plugins, tmp_path: Path) -> dict[str, str]:
    """Two jobs installed as metadata only, and a store that is not there yet."""
    fake_plugins.add("acme-reports", "1.0", {NAME: "acme.render:run", "a.b": "acme.b:run"})
    return fake_plugins.env(JOBREG_STORE=str(tmp_path / "jobs.db"))


@pytest.fixture
def store(tmp_path: Path):
    opened = open_store(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield opened
    opened.close()


@pytest.fixture
def jobreg(run_cli, environ):
    """Run a command in that environment."""
    return lambda *arguments: run_cli(*arguments, env=environ)


def submitted(jobreg, *arguments: str) -> dict:
    done = jobreg("submit", NAME, *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_submit_prints_the_id_and_stores_the_run(jobreg, store):
    done = jobreg("submit", NAME)

    assert (done.returncode, done.stderr) == (0, "")
    assert store.get(done.stdout.strip()).job_name == NAME


def test_submit_as_json_prints_one_run(jobreg):
    told = submitted(jobreg, "account=42")

    assert list(told) == RUN_FIELDS
    assert (told["job_name"], told["state"], told["attempt"]) == (NAME, "queued", 0)
    assert told["waiting_on"] == f"a worker that provides '{NAME}'; no worker is running"
    assert told["created_at"].endswith("Z")
    assert told["provider"] is told["result"] is told["error"] is told["reason"] is None


def test_a_value_is_json_if_it_parses_and_else_a_text(jobreg):
    told = submitted(
        jobreg, "n=42", "f=1.5", "t=true", "z=null", "l=[1,2]", 'o={"a":1}', 'q="42"', "s=hello",
        "e=", "eq=a=b", "bad={x", "nan=NaN", "inf=-Infinity", "u=zażółć", "spaces= x ",
    )  # fmt: skip

    assert told["params"] == {
        "n": 42, "f": 1.5, "t": True, "z": None, "l": [1, 2], "o": {"a": 1}, "q": "42",
        "s": "hello", "e": "", "eq": "a=b", "bad": "{x", "nan": "NaN", "inf": "-Infinity",
        "u": "zażółć", "spaces": " x ",
    }  # fmt: skip


def test_pairs_stand_before_the_params_object(jobreg):
    told = submitted(jobreg, "--params", '{"a": 1, "b": 2}', "b=3")

    assert told["params"] == {"a": 1, "b": 3}


def test_every_option_of_submit_arrives(jobreg):
    run_id = "01a00000-0000-7000-8000-000000000001"

    told = submitted(
        jobreg, "--timeout", "90s", "--delay", "5m", "--queue", "mail", "--priority", "-3",
        "--max-attempts", "4", "--max-crashes", "2", "--run-id", run_id, "--tag", "x", "--tag", "y",
    )  # fmt: skip

    assert (told["run_id"], told["state"], told["tags"]) == (run_id, "scheduled", ["x", "y"])
    assert (told["timeout"], told["queue"], told["priority"]) == (90.0, "mail", -3)
    assert (told["max_attempts"], told["max_crashes"]) == (4, 2)
    assert told["waiting_on"].startswith("its due time, ")


def test_a_time_to_come_is_given_in_iso_8601(jobreg):
    told = submitted(jobreg, "--at", "2090-01-31T12:00+02:00")

    assert (told["state"], told["scheduled_at"]) == ("scheduled", "2090-01-31T10:00:00Z")


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2090-03-26T01:59", "00:59"), ("2090-03-26T02:00", "01:00"), ("2090-03-26T02:30", "01:30"),
        ("2090-03-26T03:00", "01:00"), ("2090-10-29T02:30", "00:30"),
    ],
)  # fmt: skip
def test_a_time_that_clocks_leave_out_is_not_before_itself(run_cli, environ, local, utc):
    there = {**environ, "TZ": "Europe/Berlin"}

    told = json.loads(run_cli("submit", NAME, "--at", local, "--json", env=there).stdout)

    assert told["scheduled_at"] == f"{local[:10]}T{utc}:00Z"


def test_a_submit_repeated_with_its_id_is_the_same_run_and_with_other_params_a_conflict(jobreg):
    told = submitted(jobreg, "a=1")

    again = submitted(jobreg, "a=1", "--run-id", told["run_id"])
    other = jobreg("submit", NAME, "a=2", "--run-id", told["run_id"])

    assert again["run_id"] == told["run_id"]
    assert (other.returncode, other.stdout) == (4, "")
    assert other.stderr.startswith(f"jobreg: Run {told['run_id']} exists with another job or")


def test_the_store_option_stands_before_the_variable(jobreg, tmp_path):
    file = tmp_path / "elsewhere.db"

    told = submitted(jobreg, "--store", str(file))

    assert open_store(f"sqlite:///{file}").get(told["run_id"]).run_id == told["run_id"]
    assert not (tmp_path / "jobs.db").exists()


def test_show_tells_the_run_with_its_attempts(jobreg, store):
    run_id = submitted(jobreg, "a=1")["run_id"]
    worker = add_worker(store)
    finish(store, worker, Ending.CRASHED)
    finish(store, worker, Ending.ERROR)

    done = jobreg("runs", "show", run_id, "--json")

    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(told) == [*RUN_FIELDS, "attempts"]
    assert [list(each) for each in told["attempts"]] == [ATTEMPT_FIELDS] * 2
    assert [each["outcome"] for each in told["attempts"]] == ["crashed", "error"]
    assert told["error"] == {"type": "ValueError", "message": "no", "traceback": "Traceback ..."}
    assert (told["state"], told["reason"], told["attempt"]) == ("failed", "error", 2)
    assert (told["tries"], told["crashes"]) == (1, 1)
    assert told["provider"] == {"dist": "acme-reports", "version": "1.0"}


def test_show_for_people_tells_the_same_facts(jobreg, store):
    run_id = submitted(jobreg, "a=1")["run_id"]
    finish(store, add_worker(store), Ending.ERROR)

    done = jobreg("runs", "show", run_id)

    assert done.returncode == 0
    for fact in (run_id, NAME, "failed", "ValueError: no", "acme-reports 1.0", "Traceback ..."):
        assert fact in done.stdout


def test_list_tells_pages_newest_first(jobreg):
    ids = [submitted(jobreg, f"n={n}")["run_id"] for n in range(3)]

    first = json.loads(jobreg("runs", "list", "--limit", "2", "--json").stdout)
    cursor = first["next"]
    second = json.loads(jobreg("runs", "list", "--cursor", cursor, "--json").stdout)

    assert list(first) == ["runs", "next"]
    assert [list(run) for run in first["runs"]] == [RUN_FIELDS] * 2
    assert [run["run_id"] for run in first["runs"] + second["runs"]] == ids[::-1]
    assert second["next"] is None


def test_list_filters_by_job_and_state(jobreg, store):
    mine = submitted(jobreg)["run_id"]
    jobreg("submit", "a.b")
    store.cancel(mine)

    by_job = json.loads(jobreg("runs", "list", "--job-name", NAME, "--json").stdout)
    by_state = json.loads(jobreg("runs", "list", "--state", "cancelled", "--json").stdout)
    none = jobreg("runs", "list", "--job-name", "no.such_job", "--json")

    assert [run["run_id"] for run in by_job["runs"]] == [mine]
    assert [run["run_id"] for run in by_state["runs"]] == [mine]
    assert (none.returncode, json.loads(none.stdout)) == (0, {"runs": [], "next": None})


def test_list_for_people_fits_80_columns(jobreg):
    submitted(jobreg)

    done = jobreg("runs", "list")

    assert done.returncode == 0
    assert NAME in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_hostile_text_is_shown_harmless(jobreg, store):
    run_id = submitted(jobreg, "a=\x1b[31mred\x07\u202e")["run_id"]
    finish(store, add_worker(store), Ending.ERROR)

    for arguments in (["runs", "show", run_id], ["runs", "show", run_id, "--json"]):
        done = jobreg(*arguments)

        assert done.returncode == 0
        assert not set("\x1b\x07\u202e") & set(done.stdout + done.stderr)


@pytest.mark.parametrize(
    ("ending", "code", "state"),
    [
        (Ending.SUCCEEDED, 0, "succeeded"),
        (Ending.ERROR, 1, "failed"),
        (Ending.CANCELLED, 1, "cancelled"),
    ],
)
def test_wait_exits_by_how_the_run_ended(jobreg, store, ending, code, state):
    run_id = submitted(jobreg)["run_id"]
    finish(store, add_worker(store), ending)

    done = jobreg("runs", "wait", run_id, "--json")

    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (code, "")
    assert (list(told), told["state"]) == (RUN_FIELDS, state)


def test_wait_gives_up_with_a_code_of_its_own(jobreg):
    run_id = submitted(jobreg)["run_id"]

    done = jobreg("runs", "wait", run_id, "--timeout", "0.05", "--json")

    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr.startswith(f"jobreg: Run {run_id} was still queued after 0.05 s")


def waiting_submit(environ, tmp_path, store, module="jobreg"):
    """Start ``submit --wait``; returns the process once its run is stored."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, "submit", NAME, "--wait", "--json"],
        env=environ, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: store.find()[0], what="the run is stored")
    return process


def test_submit_can_wait_for_the_result(environ, tmp_path, store):
    process = waiting_submit(environ, tmp_path, store)
    worker = add_worker(store)
    settle(store, worker, outcome(claim_one(store, worker), result='{"pages":3}'))

    stdout, stderr = process.communicate(timeout=30)

    told = json.loads(stdout)
    assert (process.returncode, stderr) == (0, "")
    assert (told["state"], told["result"]) == ("succeeded", {"pages": 3})


@pytest.mark.parametrize("met_an_exec", [False, True], ids=["anywhere", "in an exec"])
def test_an_interrupted_wait_exits_130_and_the_run_goes_on(environ, tmp_path, store, met_an_exec):
    if met_an_exec:  # CPython remembers it, and would end itself by the signal whatever is said
        source = """
import jobreg.cli
from jobreg.__main__ import main

def run(arguments, whole=jobreg.cli.run):
    code = whole(arguments)
    try: exec('raise KeyboardInterrupt')
    except KeyboardInterrupt: return code

jobreg.cli.run = run
main()
"""
        (Path(environ["PYTHONPATH"]) / "met_an_exec.py").write_text(source)
    module = "met_an_exec" if met_an_exec else "jobreg"
    process = waiting_submit(environ, tmp_path, store, module)

    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)

    ((run,), _) = store.find()
    told = f"jobreg: interrupted; run {run.run_id} goes on, see: jobreg runs wait {run.run_id}\n"
    assert (process.returncode, stdout, stderr) == (130, "", told)
    assert store.counts()["queued"] == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=str)
def test_what_ends_a_run_here_cancels_it(environ, tmp_path, store, number, fake_plugins):
    source = "import time\ndef run():\n    time.sleep(600)\n"
    fake_plugins.add(
        "acme-waits", "1.0", {"acme.waits": "acme_waits:run"}, {"acme_waits.py": source}
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "jobreg", "run", "acme.waits"],
        env=environ, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: store.counts()["running"], 30)

    process.send_signal(number)

    assert process.wait(30) == 130
    ((run,), _) = store.find()
    assert run.state == "cancelled"


def test_a_run_here_whose_store_is_gone_can_be_ended(warm, environ, tmp_path, store, fake_plugins):
    source = "import time\ndef run():\n    time.sleep(600)\n"
    fake_plugins.add(
        "acme-waits", "1.0", {"acme.waits": "acme_waits:run"}, {"acme_waits.py": source}
    )
    soon = "import jobreg.worker.alone\njobreg.worker.alone.LAST = 0.2"
    patience = environ | {"JOBREG_KILL_GRACE": "0.2"}
    with tempfile.TemporaryFile() as told:
        process = warm.start(["run", "acme.waits"], patience, tmp_path, output=told, first=soon)
        until(lambda: store.counts()["running"], 30)
        ((run,), _) = store.find()
        store.close()
        for file in tmp_path.glob("jobs.db*"):
            file.unlink()

        process.terminate()

        assert process.wait(30) == 5
        assert f"jobreg: The store does not take how run {run.run_id} ended" in text_of(told)


def test_a_terminal_that_closes_while_the_job_prints_cancels_its_run(
    environ, tmp_path, store, fake_plugins
):
    source = """
import time
def run():
    while True:
        print("at work", flush=True)
        time.sleep(0.001)
"""
    fake_plugins.add(
        "acme-talks", "1.0", {"acme.talks": "acme_talks:run"}, {"acme_talks.py": source}
    )
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "jobreg", "run", "acme.talks"],
        env=environ, cwd=tmp_path, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    until(lambda: b"at work" in os.read(ours, 65536), 30)

    os.close(ours)
    process.send_signal(signal.SIGHUP)

    process.wait(30)
    ((run,), _) = store.find()
    assert run.state == "cancelled"


@pytest.mark.parametrize("arguments", ["runs list --json --limit 1000", "runs list --limit 1000"])
def test_a_reader_that_has_seen_enough_is_no_error(jobreg, environ, tmp_path, store, arguments):
    from jobreg import Client, Registry

    registry = Registry(path=[environ["PYTHONPATH"]])
    Client(store, registry).submit_many([(NAME, {"x": "y" * 200})] * 1000)
    process = subprocess.Popen(
        [sys.executable, "-m", "jobreg", *arguments.split()],
        env=environ, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip

    first = process.stdout.readline()
    process.stdout.close()
    stderr = process.stderr.read()

    assert first.startswith(("{", "RUN"))
    assert process.wait(30) == 0
    assert "Traceback" not in stderr
    assert "BrokenPipe" not in stderr


def test_large_numbers_are_shown_in_full(jobreg, store):
    told = submitted(jobreg)
    worker = add_worker(store)
    claim = claim_one(store, worker)
    store.note_progress(
        worker, [(told["run_id"], claim.attempt, Progress(1_234_567, 10_000_000.5))]
    )

    lines = jobreg("runs", "show", told["run_id"]).stdout.splitlines()

    assert "progress      1234567 of 10000000.5" in lines


@pytest.mark.parametrize("since", ["172800", "604800s", "100000.5", "1000000 m", "20260131"])
def test_how_long_ago_may_have_many_digits(jobreg, since):
    run_id = submitted(jobreg)["run_id"]

    found = json.loads(jobreg("runs", "list", "--since", since, "--json").stdout)

    assert [each["run_id"] for each in found["runs"]] == [run_id]
