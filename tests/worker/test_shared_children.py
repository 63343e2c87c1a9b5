"""Many runs in one child, from submit to stored result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from waiting import pids_in, until

from jobreg import Client
from jobreg.lifecycle import Ending, Reason, State


def test_async_and_threaded_runs_share_a_child_each_and_processes_have_their_own(
    client: Client, start_worker: Any
) -> None:
    start_worker(concurrency=1)
    asked = [("meets", {"number": 30})] * 30 + [("pid", {})] * 3 + [("pid_in_a_thread", {})] * 9

    runs = client.submit_many([(f"hostile.{name}", params) for name, params in asked])
    pids = [run.result(30) for run in runs]

    assert [len(set(part)) for part in (pids[:30], pids[30:33], pids[33:])] == [1, 1, 1]
    assert len(set(pids)) == 3


def test_of_neighbours_that_were_lost_together_only_the_guilty_one_is_charged(
    client: Client, start_worker: Any, tmp_path: Path
) -> None:
    start_worker(concurrency=1)
    now, end = tmp_path / "now", tmp_path / "end"
    told = [
        ("hostile.waits_in_a_thread", {"file": str(tmp_path / str(n)), "flag": str(end)})
        for n in range(3)
    ]
    dies = ("hostile.dies_in_a_thread", {"file": str(tmp_path / "f"), "flag": str(now)})
    *innocent, guilty = client.submit_many([*told, dies])
    until(lambda: all(pids_in(tmp_path / name) for name in ("0", "1", "2", "f")))

    end.touch()
    now.touch()

    assert [run.result(60) for run in innocent] == ["seen"] * 3
    guilty.wait(60)
    assert (guilty.state, guilty.reason) == (State.FAILED, Reason.CRASHED)
    assert all(each.outcome in (Ending.LOST, Ending.CRASHED) for each in guilty.attempts())


def test_a_run_that_starts_once_ends_with_the_child_its_neighbour_took_with_it(
    client: Client, start_worker: Any, tmp_path: Path
) -> None:
    start_worker(concurrency=1)
    told = {"file": str(tmp_path / "f"), "flag": str(tmp_path / "never")}
    once = client.submit("hostile.awaits_once", told)
    until(lambda: pids_in(tmp_path / "f"))

    flag = tmp_path / "now"
    flag.touch()
    guilty = client.submit("hostile.dies_at", {"flag": str(flag)}, max_crashes=1).wait(30)
    once.wait(30)

    assert (guilty.reason, once.reason) == (Reason.CRASHED, Reason.CRASHED)
    assert [each.outcome for each in once.attempts()] == [Ending.RELEASED]


def test_a_used_up_child_is_given_no_more(
    client: Client, start_worker: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("JOBREG_CHILD_RUNS", "3")
    start_worker(concurrency=1)

    runs = client.submit_many([("hostile.pid_awaiting", {})] * 9)
    pids = [run.result(30) for run in runs]

    assert sorted(map(pids.count, set(pids))) == [3, 3, 3]


def test_a_worker_that_drains_lets_shared_runs_end_or_releases_them(
    client: Client, start_worker: Any, tmp_path: Path
) -> None:
    worker = start_worker(concurrency=1)
    stopping = client.submit("hostile.until_stopping_awaiting", {"file": str(tmp_path / "s")})
    endless = client.submit("hostile.awaits_for_ever", {"file": str(tmp_path / "e")})
    until(lambda: pids_in(tmp_path / "s") and pids_in(tmp_path / "e"))

    worker.stop(timeout=1)

    assert stopping.refresh().result(0) == "stopped in time"
    assert (endless.refresh().state, endless.attempts()[-1].outcome) == (
        State.QUEUED, Ending.RELEASED,
    )  # fmt: skip


def test_a_shared_run_can_be_cancelled_while_it_runs(
    client: Client, start_worker: Any, tmp_path: Path
) -> None:
    start_worker(concurrency=1)
    file, done = tmp_path / "f", tmp_path / "done"
    run = client.submit("hostile.awaits_for_ever", {"file": str(file), "done": str(done)})
    until(lambda: pids_in(file))

    run.cancel()

    assert run.wait(30).state is State.CANCELLED
    assert done.read_text() == "True"
