"""What runs print and log, the whole way: from a child to whoever reads or follows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DatabaseError
from waiting import pids_in, until

from jobreg import BadInput, Client, Run, StoreError, StoreUnavailable, UnknownRun
from jobreg.events import listen
from jobreg.lifecycle import LogLine, State


def texts(run: Run, **asked: Any) -> list[str]:
    return [line.text for line in run.logs(**asked)]


@pytest.fixture
def events() -> Iterator[list[tuple[str, dict[str, object]]]]:
    told: list[tuple[str, dict[str, object]]] = []
    deaf = listen(lambda name, facts: told.append((name, facts)))
    yield told
    deaf()


def test_the_whole_log_is_there_when_the_run_is_over(client: Client, start_worker: Any) -> None:
    start_worker()

    for _ in range(20):
        run = client.submit("hostile.says_it_every_way").wait(20)

        assert len(texts(run)) == 7


def test_each_of_many_short_runs_has_its_own_lines(client: Client, start_worker: Any) -> None:
    start_worker()

    runs = client.submit_many([("hostile.prints", {"text": f"text {n}"}) for n in range(300)])

    for number, run in enumerate(runs):
        assert texts(run.wait(60)) == [f"text {number}"]


def test_lines_can_be_read_while_the_run_goes_on(
    client: Client, start_worker: Any, tmp_path: Path
) -> None:
    start_worker()
    flag, file = tmp_path / "flag", tmp_path / "pids"

    run = client.submit("hostile.works_with_progress", {"file": str(file), "flag": str(flag)})
    until(lambda: pids_in(file), 10)
    until(lambda: len(texts(run)) == 2, 2, "the lines are stored")

    assert run.refresh().state is State.RUNNING
    assert sorted(texts(run)) == ["at work", "at work, too"]
    flag.touch()
    run.wait(20)


def test_attempts_and_levels_can_be_chosen(
    client: Client, start_worker: Any, tmp_path: Path
) -> None:
    start_worker()
    (tmp_path / "flag").touch()

    run = client.submit("hostile.prints_and_fails_once", {"flag": str(tmp_path / "flag")}).wait(20)

    assert texts(run) == ["attempt 1", "no luck", "attempt 2", "done"]
    assert [line.attempt for line in run.logs()] == [1, 1, 2, 2]
    assert texts(run, attempt=2) == ["attempt 2", "done"]
    assert texts(run, level="error") == ["no luck"]
    assert texts(run, level="ERROR", attempt=2) == texts(run, attempt=7) == []


def test_a_level_of_the_jobs_own_is_always_shown(client: Client, start_worker: Any) -> None:
    start_worker()

    run = client.submit("hostile.logs_nonsense").wait(20)

    assert texts(run, level="critical") == ["in between", "late"]


def test_following_goes_through_a_retry_to_the_end(
    client: Client, start_worker: Any, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    run = client.submit("hostile.prints_and_fails_once", {"flag": str(flag)})
    followed: list[LogLine] = []
    first: list[LogLine] = []
    threads = [
        threading.Thread(target=lambda: followed.extend(run.logs(follow=True))),
        threading.Thread(target=lambda: first.extend(run.logs(follow=True, attempt=1))),
    ]
    for thread in threads:
        thread.start()

    start_worker()
    threads[1].join(20)
    seen = until(lambda: list(run.logs(attempt=2)), 10, "the second attempt speaks")
    assert threads[0].is_alive()
    flag.touch()
    threads[0].join(20)

    assert [line.text for line in first] == ["attempt 1", "no luck"]
    assert [line.text for line in seen] == ["attempt 2"]
    assert [line.text for line in followed] == ["attempt 1", "no luck", "attempt 2", "done"]
    assert run.refresh().state is State.SUCCEEDED


def test_a_released_run_keeps_what_it_said(
    client: Client, start_worker: Any, tmp_path: Path
) -> None:
    worker = start_worker(grace=0)
    file, flag = str(tmp_path / "pids"), str(tmp_path / "flag")
    run = client.submit("hostile.works_with_progress", {"file": file, "flag": flag})
    until(lambda: pids_in(Path(file)), 10)

    worker.stop()

    assert run.refresh().state is State.QUEUED
    assert sorted(texts(run)) == ["at work", "at work, too"]


def test_the_cap_is_a_setting(
    client: Client, start_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBREG_MAX_LOG", "1000")
    start_worker()

    run = client.submit("hostile.prints_lines", {"number": 100, "width": 50}).wait(20)

    lines = texts(run)
    assert sum(len(line) + 1 for line in lines[:-1]) <= 1000
    assert "JOBREG_MAX_LOG keeps 1,000 bytes of an attempt" in lines[-1]


def test_no_line_is_lost_or_doubled_while_the_store_is_away(
    client: Client, start_worker: Any, tmp_path: Path, events: list[Any]
) -> None:
    worker = start_worker()
    client.submit("hostile.echo").wait(20)
    flag, file = tmp_path / "flag", tmp_path / "pids"
    run = client.submit("hostile.works_with_progress", {"file": str(file), "flag": str(flag)})
    until(lambda: len(texts(run)) == 2, 10)

    whole = worker.store.write_logs

    def not_there(*given: Any) -> None:
        worker.store.write_logs = answer_lost
        raise StoreUnavailable("it cannot be reached")

    def answer_lost(*given: Any) -> None:
        worker.store.write_logs = whole
        whole(*given)
        raise StoreUnavailable("the answer to the commit was lost")

    worker.store.write_logs = not_there
    flag.touch()
    more = client.submit("hostile.prints", {"text": "while it was away"})
    more.wait(20)
    run.wait(20)

    assert texts(more) == ["while it was away"]
    assert sorted(texts(run)) == ["at work", "at work, too"]
    assert "store.down" in [name for name, _ in events]


def test_a_log_the_store_refuses_fails_no_run_and_costs_only_itself(
    client: Client, start_worker: Any, events: list[Any]
) -> None:
    worker = start_worker()
    client.submit("hostile.echo").wait(20)
    whole = worker.store.write_logs

    def offended(worker_id: str, rows: Any) -> None:
        if any("bad" in chunk.text for row in rows for chunk in row.chunks):
            raise StoreError("no such text here") from DatabaseError("", {}, Exception())
        whole(worker_id, rows)

    worker.store.write_logs = offended
    runs = client.submit_many([("hostile.prints", {"text": each}) for each in ("a", "bad", "c")])

    assert [texts(run.wait(20)) for run in runs] == [["a"], [], ["c"]]
    assert [run.state for run in runs] == [State.SUCCEEDED] * 3
    (refused,) = [facts for name, facts in events if name == "run.unlogged"]
    assert refused["run_id"] == runs[1].id


def test_what_cannot_be_asked_is_refused(client: Client, start_worker: Any) -> None:
    run = client.submit("hostile.echo")

    with pytest.raises(BadInput, match="level: 'loud' is none of debug, info, warning, error"):
        run.logs(level="loud")
    with pytest.raises(BadInput, match="attempt: '0' is not a whole number from 1"):
        run.logs(attempt=0)
    with pytest.raises(UnknownRun):
        client.logs("00000000-0000-7000-8000-000000000000")
    assert texts(run) == []
