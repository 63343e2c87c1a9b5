"""Every engine's promises, held by the engine of processes, on each way to start a child."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from engine_hands import HOSTILE, Driver, Groups
from hostile_jobs import JOBS, SOURCE
from waiting import alive, pids_in, until

from jobreg import clock
from jobreg.catalogue import CAREFUL
from jobreg.engines import nursery
from jobreg.lifecycle import Ending, Provider, Reason
from jobreg.options import JobOptions
from jobreg.testing import write_plugin


def test_the_result_comes_back_with_provider_and_pid(driver: Driver) -> None:
    outcome = driver.run("add", a=40)

    assert (outcome.ending, outcome.result) == (Ending.SUCCEEDED, "42")
    assert outcome.provider == HOSTILE
    assert outcome.pid not in (None, os.getpid())
    assert outcome.started is not None
    assert outcome.started <= outcome.ended


def test_a_child_is_reused_and_belongs_to_one_provider(driver: Driver, tmp_path: Path) -> None:
    write_plugin(tmp_path / "plugin", {"hostile.where": JOBS["hostile.where"]}, dist="other")
    first = driver.result("where")
    second = driver.result("where")
    claim = evolve(driver.begin("where"), run_id="other", provider=Provider("other", "1.0"))
    driver.engine.execute([claim])
    other = driver.outcome(claim)

    assert first == second
    assert json.loads(other.result or "")["pid"] != first["pid"]  # type: ignore[index]


@pytest.mark.parametrize("module", ["multiprocess", "multiprocessing"])
def test_a_job_that_shares_memory_keeps_its_child(driver: Driver, module: str) -> None:
    first, second = (driver.result("shares_memory", module=module) for _ in range(2))

    assert first == second == {"read": 7, "pid": driver.result("pid")}


def test_params_the_job_does_not_take_are_refused_all_at_once(driver: Driver) -> None:
    outcome = driver.run("add", c=1, d=2)

    assert (outcome.ending, outcome.reason, outcome.retryable) == (
        Ending.ERROR,
        Reason.REFUSED,
        False,
    )
    assert outcome.error is not None
    for fault in ("missing 'a'", "unknown 'c'", "unknown 'd'"):
        assert fault in outcome.error.message


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("raises", "ValueError", "what went wrong"),
        ("raises_unprintable", "Unprintable", "__str__ raised RuntimeError"),
        ("leaves", "SystemExit", "bye"),
        ("returns_a_set", "ResultRefused", "result.inner[1] is a set"),
    ],
)
def test_what_a_job_raises_is_its_error(driver: Driver, name: str, kind: str, message: str) -> None:
    outcome = driver.run(name)

    assert outcome.ending is Ending.ERROR
    assert outcome.error is not None
    assert outcome.error.type == kind
    assert message in outcome.error.message
    assert "runner.py" not in outcome.error.traceback
    assert driver.result("echo", value="still here") == "still here"


@pytest.mark.parametrize(
    ("name", "number", "told"),
    [
        ("dies", None, "exit code 3"),
        ("segfaults", signal.SIGSEGV, "SIGSEGV"),
        ("kills_itself", signal.SIGKILL, "SIGKILL"),
    ],
)
def test_a_dead_child_is_a_crash_with_its_cause(
    driver: Driver, name: str, number: int | None, told: str
) -> None:
    outcome = driver.run(name)

    assert (outcome.ending, outcome.exit_signal) == (Ending.CRASHED, number)
    assert outcome.error is not None
    assert told in outcome.error.message
    assert driver.result("echo", value=1) == 1


@pytest.mark.parametrize("name", ["spins", "sleeps_in_c", "swallows_the_interrupt"])
def test_a_job_over_its_time_ends_with_all_it_started(
    driver: Driver, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "pids"

    outcome = driver.run(name, JobOptions(timeout=1.0), file=str(file))

    assert outcome.ending is Ending.TIMEOUT
    assert outcome.error is not None
    assert "limit of 1 s" in outcome.error.message
    assert outcome.started is not None
    assert 0.9 <= outcome.ended - outcome.started <= 1 + 0.5 + 1
    pids = pids_in(file, 2)
    assert pids is not None
    until(lambda: not any(map(alive, pids)), 1, "the job and its subprocess are gone")
    assert driver.result("echo", value=1) == 1


def test_an_error_that_never_says_what_it_is_ends_with_the_time_of_its_run(driver: Driver) -> None:
    outcome = driver.run("raises_what_hangs_to_tell", JobOptions(timeout=1.0))

    assert outcome.ending is Ending.TIMEOUT
    assert outcome.started is not None
    assert 0.9 <= outcome.ended - outcome.started <= 1 + 0.5 + 1
    assert driver.result("echo", value=1) == 1


def test_a_cancelled_job_may_clean_up(driver: Driver, tmp_path: Path) -> None:
    file, done = tmp_path / "pids", tmp_path / "done"
    claim = driver.begin("cleans_up", file=str(file), done=str(done))
    until(lambda: pids_in(file))

    driver.engine.interrupt(claim.run_id, claim.attempt, Ending.CANCELLED)
    outcome = driver.outcome(claim, within=5)

    assert outcome.ending is Ending.CANCELLED
    assert done.read_text() == "True"


def test_a_claim_cancelled_before_it_begins_never_runs(driver: Driver, tmp_path: Path) -> None:
    file, flag = tmp_path / "pids", tmp_path / "flag"
    first = driver.begin("waits_for", file=str(file), flag=str(flag))
    second = driver.begin("spins", file=str(tmp_path / "never"))
    until(lambda: pids_in(file))

    driver.engine.interrupt(second.run_id, second.attempt, Ending.CANCELLED)
    outcome = driver.outcome(second, within=5)
    flag.touch()

    assert (outcome.ending, outcome.started) == (Ending.CANCELLED, None)
    assert driver.outcome(first).ending is Ending.SUCCEEDED
    assert not (tmp_path / "never").exists()


def test_a_sigterm_from_elsewhere_does_not_cut_a_job_short(driver: Driver, tmp_path: Path) -> None:
    file, flag = tmp_path / "pids", tmp_path / "flag"
    claim = driver.begin("waits_for", file=str(file), flag=str(flag))
    pids = until(lambda: pids_in(file))

    os.kill(pids[0], signal.SIGTERM)
    flag.touch()

    assert driver.outcome(claim).ending is Ending.SUCCEEDED


@pytest.mark.parametrize(
    "name",
    [
        "changes_folder",
        "changes_umask",
        "starts_a_thread",
        "closes_stdout",
        "leaves_an_alarm",
        "blocks_a_signal",
    ],
)
def test_a_child_that_a_job_changed_is_not_used_again(driver: Driver, name: str) -> None:
    before = driver.result("where")

    assert driver.run(name).ending is Ending.SUCCEEDED
    after = driver.result("where")

    assert before["pid"] != after["pid"]  # type: ignore[index]
    assert {**before, "pid": 0} == {**after, "pid": 0}  # type: ignore[dict-item]


def test_what_a_job_left_running_ends_with_the_engine(
    driver: Driver, tmp_path: Path, groups: Groups
) -> None:
    file = tmp_path / "pids"

    assert driver.result("leaves_a_subprocess", file=str(file)) == "left one"
    forked = driver.result("forks")
    driver.engine.close()

    pids = [*(pids_in(file, 2) or []), forked]
    until(lambda: not any(alive(pid) for pid in pids if isinstance(pid, int)), 2)


def test_a_probe_brings_options_without_running_the_job(driver: Driver) -> None:
    driver.engine.probe("hostile.special", JOBS["hostile.special"], HOSTILE)
    driver.engine.probe("hostile.gone", "hostile_jobs_plugin:gone", HOSTILE)
    driver.engine.probe("hostile.lost", "no_such_module_here:gone", HOSTILE)

    def three() -> bool:
        driver.hear()
        for hello in [each for each in driver.hellos if each.options is None]:
            # The plugin was written just now: what is missing may come, for 5 s.
            driver.hellos.remove(hello)
            target = "hostile_jobs_plugin" if hello.job_name == "hostile.gone" else "no_such_module"
            driver.engine.probe(hello.job_name, f"{target}:gone", HOSTILE)
        return len(driver.hellos) == 3

    until(three)
    hellos = {hello.job_name: hello for hello in driver.hellos}
    assert hellos["hostile.special"].options.queue == "special"
    assert hellos["hostile.special"].trouble is None
    for name in ("hostile.gone", "hostile.lost"):
        assert hellos[name].trouble is not None
        assert hellos[name].options == CAREFUL


def test_a_run_of_an_unread_job_is_given_back_where_it_can_be_read(driver: Driver) -> None:
    first, again = driver.claim("echo", CAREFUL, value=1), driver.claim("echo", CAREFUL, value=2)
    broken = evolve(driver.claim("facts", CAREFUL), target="hostile_jobs_plugin:__name__")

    for claim, read in ((first, False), (again, True)):
        if read:  # loaded before in the child that is to execute it
            assert driver.run("echo", value=3).ending is Ending.SUCCEEDED
        driver.engine.execute([evolve(claim, unread=True)])
        given_back = driver.outcome(claim)
        assert (given_back.ending, given_back.started) == (Ending.RELEASED, None)
        (hello,) = [driver.hellos.pop() for _ in driver.hellos]
        assert (hello.job_name, hello.options) == ("hostile.echo", JobOptions())
    assert len(driver.engine._children) == 1, "the child is not to blame"

    driver.engine.execute([evolve(broken, unread=True)])
    assert driver.outcome(broken).ending is Ending.ERROR


def test_progress_is_passed_on_and_its_last_word_always_arrives(driver: Driver) -> None:
    outcome = driver.run("says_progress", times=100_000)

    assert outcome.progress is not None
    assert (outcome.progress.done, outcome.progress.total) == (100_000, 100_000)
    assert len(driver.notes) < 1000


def test_a_run_knows_itself(driver: Driver) -> None:
    facts = driver.run("facts", JobOptions(timeout=60.0))

    run_id, name, attempt, fence, deadline = json.loads(facts.result or "")
    assert (run_id, name, attempt, fence) == (facts.run_id, "hostile.facts", 1, 1)
    assert deadline is not None


def test_an_async_job_runs_to_its_end(driver: Driver) -> None:
    assert driver.result("is_async", value=5) == 5


def test_the_import_limit_says_nothing_once_the_job_has_begun(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.run("echo")
    monkeypatch.setattr("jobreg.engines.children.IMPORT_LIMIT", 0.5)

    outcome = driver.run("long_and_large")

    assert outcome.ending is Ending.SUCCEEDED, outcome.error


def test_a_fork_that_exits_does_not_speak_for_the_job(driver: Driver) -> None:
    assert driver.result("forks_and_exits") == "the parent"
    assert driver.result("echo", value=1) == 1


def test_bytes_of_a_jobs_own_in_our_pipe_end_that_job_and_stop_nobody(driver: Driver) -> None:
    outcome = driver.run("scribbles")

    assert outcome.ending is Ending.CRASHED
    assert driver.result("echo", value=1) == 1


def test_killing_all_releases_what_ran(driver: Driver, tmp_path: Path) -> None:
    file = tmp_path / "pids"
    claim = driver.begin("spins", file=str(file))
    pids = until(lambda: pids_in(file, 2))

    driver.engine.kill()

    assert driver.outcome(claim, within=2).ending is Ending.RELEASED
    until(lambda: not any(map(alive, pids)), 1)


def test_what_has_not_begun_can_be_withdrawn(driver: Driver, tmp_path: Path) -> None:
    file, flag = tmp_path / "pids", tmp_path / "flag"
    driver.begin("waits_for", file=str(file), flag=str(flag))
    until(lambda: pids_in(file))
    waiting = [driver.begin("echo"), driver.begin("echo")]

    withdrawn = driver.engine.withdraw()

    assert withdrawn == waiting
    assert driver.engine.room() == 0
    flag.touch()


def test_a_script_without_a_main_guard_is_not_run_again_in_children(
    tmp_path: Path, method: str, fake_plugins: object
) -> None:
    import subprocess

    fake_plugins.add("hostile", "1.0", JOBS, {"hostile_jobs_plugin.py": SOURCE})  # type: ignore[attr-defined]
    script = tmp_path / "unguarded.py"
    script.write_text(
        f"""
import jobreg.engines.nursery as nursery
from jobreg import Client, Worker
print("ran")
nursery.METHOD = {method!r}
client = Client({str(tmp_path / "jobs.db")!r})
worker = Worker(client.store).start()
print(client.submit("hostile.echo", {{"value": "told"}}).result(20))
worker.stop()
"""
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env=fake_plugins.env(),  # type: ignore[attr-defined]
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout.split() == ["ran", "told"], done.stderr


def test_closing_twice_is_harmless(driver: Driver) -> None:
    driver.run("echo")

    driver.engine.close()
    with contextlib.suppress(OSError):
        driver.engine.close()


def test_what_the_forkserver_loads_changes_no_other_process() -> None:
    code = (
        "import gc, signal\n"
        "def seen():\n"
        "    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
        "    return blocked, signal.getsignal(signal.SIGTERM), gc.get_freeze_count()\n"
        "before = seen()\n"
        "import jobreg.engines.preload\n"
        "print(before == seen())\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "True\n"


def test_without_room_for_a_child_none_is_asked_for_and_nothing_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + 20, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            nursery._see_that_there_is_room()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert len(os.listdir("/proc/self/fd")) == before
    nursery._see_that_there_is_room()


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
@pytest.mark.parametrize("before", [True, False], ids=["before the first", "later"])
def test_where_the_working_directory_was_removed_children_begin_in_what_is_left_of_its_path(
    driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    release = tmp_path / "left" / "releases" / "1"
    release.mkdir(parents=True)
    monkeypatch.chdir(release)
    if not before:
        assert driver.result("where")["cwd"] == str(release)
        assert driver.run("dies").ending is Ending.CRASHED

    shutil.rmtree(release.parent)

    assert driver.result("where")["cwd"] == str(tmp_path / "left")


@pytest.mark.parametrize("concurrency", [2])
def test_a_child_with_nothing_to_do_makes_room_for_another(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = driver.engine
    first = driver.result("pid")
    start = engine._nursery.start

    def refused_where_there_is_one(*asked: Any) -> Any:
        if engine._children:
            raise OSError(errno.EMFILE, "Too many open files")
        return start(*asked)

    monkeypatch.setattr(engine._nursery, "start", refused_where_there_is_one)

    outcome = driver.run("own_process", JobOptions(isolation="fresh"))

    assert (outcome.ending, outcome.result) != (Ending.SUCCEEDED, str(first))
    assert outcome.ending is Ending.SUCCEEDED
    assert not engine.refused


KILLS_ITS_PARENT = """
import os, signal, time

os.kill(os.getppid(), signal.SIGKILL)
time.sleep(60)

def work():
    pass
"""


@pytest.mark.parametrize("method", ["forkserver"])
@pytest.mark.parametrize("concurrency", [2])
@pytest.mark.parametrize("engine", ["processes", "asyncio", "threads"])
def test_an_import_that_kills_what_children_come_from_is_charged_or_unclear(
    driver: Driver, tmp_path: Path, engine: str
) -> None:
    (tmp_path / "plugin" / "assassin.py").write_text(KILLS_ITS_PARENT)
    options = JobOptions(engine=engine)

    alone = evolve(driver.claim("where", options), target="assassin:work")
    driver.engine.execute([alone])
    assert driver.outcome(alone).ending is Ending.CRASHED

    file = tmp_path / "pids"
    beside = driver.begin("spins", file=str(file))
    until(lambda: pids_in(file))
    again = evolve(driver.claim("where", options), target="assassin:work")
    driver.engine.execute([again])
    assert driver.outcome(again).ending is Ending.LOST
    assert driver.outcome(beside).ending is Ending.LOST


@pytest.mark.parametrize("method", ["forkserver"])
def test_a_stopped_forkserver_does_not_hold_up_who_replaces_a_child(driver: Driver) -> None:
    driver.result("pid")
    parent = driver.engine._nursery.parent
    assert parent is not None

    os.kill(parent, signal.SIGSTOP)
    began = clock.seconds()
    assert driver.run("own_process", JobOptions(isolation="fresh")).ending is Ending.SUCCEEDED

    assert clock.seconds() - began < 3


def test_without_room_for_a_thread_none_is_asked_for(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        claim = driver.begin("pid")
        until(lambda: driver.engine.refused, what="it is refused")

    assert driver.outcome(claim).ending is Ending.SUCCEEDED
