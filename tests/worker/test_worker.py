"""What a worker does with what was submitted: the whole way, in one process of the test."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from waiting import pids_in, until

from jobreg import Client, Registry, RunFailed, Worker, client as client_module
from jobreg.errors import StoreUnavailable
from jobreg.events import listen
from jobreg.lifecycle import Ending, RunRecord, State
from jobreg.store import Store
from jobreg.store.sqlite import SQLite
from jobreg.worker.alone import LoneWorker
from jobreg.worker.leases import Lease


def test_a_run_goes_from_submit_to_its_result(client: Client, start_worker: Any) -> None:
    start_worker()

    run = client.submit("hostile.add", {"a": 40})

    assert run.result(20) == 42
    (attempt,) = run.attempts()
    assert (attempt.number, attempt.outcome) == (1, Ending.SUCCEEDED)
    assert attempt.provider is not None
    assert (attempt.provider.dist, attempt.provider.version) == ("hostile", "1.0")
    assert client.store.counts()["succeeded"] == 1


@pytest.mark.parametrize(
    "jobs",
    [
        [("hostile.echo", {"value": 1})],
        [("hostile.pid_in_a_thread", {}), ("hostile.echo", {"value": 1})],
    ],
    ids=["of one job", "of two, one of which shares a child"],
)
def test_among_suspects_a_worker_asks_for_one_and_then_for_many_again(
    client: Client, start_worker: Any, monkeypatch: pytest.MonkeyPatch, jobs: Any
) -> None:
    claim, asked = Store.claim, list[tuple[int, list[bool]]]()

    def seen(store: Store, worker_id: str, pairs: Any, offers: Any, *more: Any, **how: Any) -> Any:
        claims = claim(store, worker_id, pairs, offers, *more, **how)
        suspects = [each.suspect for each in claims or ()]
        asked.append((max(each.most for each in offers), suspects))
        return claims

    runs = client.submit_many(jobs * (40 // len(jobs)))
    with client.store.writing() as connection:
        some = "(SELECT seq FROM jobreg_live ORDER BY seq LIMIT 10 OFFSET 5)"
        connection.exec_driver_sql(f"UPDATE jobreg_live SET suspect = 1 WHERE seq IN {some}")
    monkeypatch.setattr(Store, "claim", seen)
    start_worker()
    for run in runs:
        run.wait(20)

    of_suspects = [number for number, (_, suspects) in enumerate(asked) if any(suspects)]
    assert [asked[number][1] for number in of_suspects] == [[True]] * 10, "each by itself"
    assert {asked[number + 1][0] for number in of_suspects} == {1}
    assert max(most for most, _ in asked[of_suspects[-1] + 2 :]) > 1


@pytest.mark.parametrize("name", ["is_unique", "is_unique_async", "is_unique_threaded"])
def test_a_job_with_keys_of_its_own_takes_what_submitters_and_operators_ask(
    client: Client, start_worker: Any, name: str
) -> None:
    start_worker()
    asked = {"timeout": 60, "max_attempts": 2, "max_crashes": 2, "max_age": 600}

    runs = [
        client.submit(f"hostile.{name}", {"value": number}, **{option: value})
        for number, (option, value) in enumerate(asked.items())
    ]
    assert [run.result(20) for run in runs] == [0, 1, 2, 3]
    client.store.catalogue.override(f"hostile.{name}", {"max_attempts": 3})

    assert client.submit(f"hostile.{name}", {"value": 4}, timeout=60).result(20) == 4
    assert (
        LoneWorker(client.settings.store, registry=client.registry, concurrency=1)
        .run_one(client.request(f"hostile.{name}", {"value": 5}))
        .state
        is State.SUCCEEDED
    )


def test_a_client_that_knew_nothing_of_a_job_asks_again_at_once(
    client: Client, start_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How soon is a promise: less than the first run of a job mostly takes, which starts a child.
    assert client_module._KEEP_UNKNOWN <= 0.01
    monkeypatch.setattr(client_module, "_KEEP_UNKNOWN", 0.0)
    start_worker()
    assert client.submit("hostile.is_unique", {"value": 0}).result(20) == 0

    runs = [client.submit("hostile.is_unique", {"value": 1}, delay="1h") for _ in range(2)]
    many = client.submit_many([("hostile.is_unique", {"value": 1})] * 2)

    assert len({run.id for run in [*runs, *many]}) == 1


def test_an_idle_worker_looks_first_where_something_waited_last(
    client: Client, start_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_told, taken = SQLite.claim_told, list[str]()

    def seen(*arguments: Any) -> Any:
        claims = claim_told(*arguments)
        taken.extend(claim.run_id for claim in claims)
        return claims

    monkeypatch.setattr(SQLite, "claim_told", seen)
    worker = start_worker()
    submitted = []

    def begins_by_it() -> bool:
        until(lambda: worker.claimer.usual and not worker._look, what="the worker is idle")
        run = client.submit("hostile.echo", {"value": 1})
        submitted.append(run.id)
        assert run.result(20) == 1
        return run.id in taken

    client.submit("hostile.echo", {"value": 1}).result(20)
    until(begins_by_it, 20)

    assert set(taken) <= set(submitted)


def test_its_own_beat_is_no_word_to_a_worker(
    client: Client, start_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would look for runs at each, and be over one question a second."""
    beat, own = Store.beat, list[bool]()

    def seen(*arguments: Any) -> bool:
        own.append(worker.lease.beats)
        return beat(*arguments)

    monkeypatch.setattr(Store, "beat", seen)
    worker = start_worker()
    worker.lease.beat_now()
    until(lambda: own, what="it beats")

    assert set(own) == {True}
    until(lambda: not worker.lease.beats, what="the beat is over")


def test_while_it_writes_itself_a_worker_looks_only_at_what_is_committed(
    client: Client, start_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = list[object]()
    monkeypatch.setattr(Lease, "beats", property(lambda self: True))
    monkeypatch.setattr(SQLite, "claim_told", lambda *arguments: expected.append(arguments) or [])
    start_worker()

    for value in range(3):
        assert client.submit("hostile.echo", {"value": value}).result(20) == value

    assert expected == []


def test_a_failed_run_keeps_type_message_and_traceback(client: Client, start_worker: Any) -> None:
    start_worker()

    run = client.submit("hostile.raises")

    with pytest.raises(RunFailed, match="what went wrong") as failed:
        run.result(20)
    assert (failed.value.reason, failed.value.error_type) == ("error", "ValueError")
    assert 'raise ValueError("what went wrong")' in failed.value.traceback


def test_an_error_is_tried_again_with_backoff_and_its_attempts_are_kept(
    client: Client, start_worker: Any
) -> None:
    start_worker()

    run = client.submit("hostile.third_time_lucky")

    assert run.result(20) == 3
    assert [each.outcome for each in run.attempts()] == ["error", "error", "succeeded"]
    assert (run.record.tries, run.record.crashes) == (2, 0)


@pytest.mark.parametrize(("which", "attempts"), [("PassingToo", 2), ("Other", 1)])
def test_retry_on_respects_subclasses(
    client: Client, start_worker: Any, which: str, attempts: int
) -> None:
    start_worker()

    run = client.submit("hostile.retried_for", {"which": which}).wait(20)

    assert run.reason == "error"
    assert len(run.attempts()) == attempts


def test_what_the_submitter_asks_stands_before_what_the_job_says(
    client: Client, start_worker: Any
) -> None:
    start_worker()

    run = client.submit("hostile.third_time_lucky", max_attempts=1).wait(20)

    assert (run.state, run.reason) == (State.FAILED, "error")


def test_a_job_that_was_decorated_with_a_timeout_is_held_to_it(
    client: Client, start_worker: Any, tmp_path: Path
) -> None:
    start_worker()

    run = client.submit("hostile.short_of_time", {"file": str(tmp_path / "pids")}).wait(20)

    assert (run.state, run.reason) == (State.FAILED, "timeout")


def test_a_name_nobody_provides_waits_and_blocks_nothing(
    client: Client, start_worker: Any, fake_plugins: Any
) -> None:
    fake_plugins.add("ghost", "1.0", {"ghost.job": "ghost:job"})
    ghosts = client.submit_many([("ghost.job", {})] * 300)
    start_worker(registry=Registry(path=[str(fake_plugins.path)], deny=["ghost"]))

    assert client.submit("hostile.echo", {"value": 1}).result(20) == 1

    for ghost in (ghosts[0].refresh(), ghosts[-1].refresh()):
        assert (ghost.state, ghost.attempt) == (State.QUEUED, 0)
        assert "no live worker does" in (ghost.waiting_on() or "")


def test_a_job_that_cannot_be_imported_fails_alone_and_tells_its_cause(
    client: Client, start_worker: Any, fake_plugins: Any
) -> None:
    modules = {"broken_plugin.py": "import a_package_nobody_has\n"}
    fake_plugins.add("broken", "1.0", {"broken.job": "broken_plugin:job"}, modules)
    start_worker()

    broken = client.submit("broken.job")
    whole = client.submit("hostile.echo", {"value": 1})

    assert whole.result(20) == 1
    broken.wait(20)
    assert broken.reason == "error"
    assert broken.error is not None
    cause = "ModuleNotFoundError: No module named 'a_package_nobody_has'"
    assert broken.error.message == f"The code of job 'broken.job' could not be imported: {cause}"
    first, where, *_, last = broken.error.traceback.splitlines()
    assert (first, last) == ("Traceback (most recent call last):", cause)
    assert "broken_plugin.py" in where


def test_running_one_job_imports_its_module_only(
    client: Client, start_worker: Any, fake_plugins: Any, tmp_path: Path
) -> None:
    trace = "import os; open({!r}, 'a').write('{} ')\ndef job(): return 1\n"
    for name in ("one", "two"):
        source = trace.format(str(tmp_path / "imported"), name)
        fake_plugins.add(
            name, "1.0", {f"{name}.job": f"{name}_mod:job"}, {f"{name}_mod.py": source}
        )
    start_worker()

    assert client.submit("one.job").result(20) == 1

    assert (tmp_path / "imported").read_text().split() == ["one"]


def test_a_delayed_run_starts_when_it_is_due_and_at_most_a_second_late(
    client: Client, start_worker: Any
) -> None:
    start_worker()

    run = client.submit("hostile.echo", delay="0.5s")
    also = client.submit("hostile.echo", at=datetime.now(UTC) + timedelta(seconds=0.5))
    assert run.state is State.SCHEDULED
    run.wait(10)
    also.wait(10)

    for record in (run.record, also.record):
        assert record.started_at is not None
        assert record.scheduled_at is not None
        late = (record.started_at - record.scheduled_at).total_seconds()
        assert -0.01 <= late <= 1


def test_progress_can_be_read_while_the_job_runs(
    client: Client, start_worker: Any, tmp_path: Path, fake_plugins: Any
) -> None:
    source = """
import time
from pathlib import Path
from jobreg import current_run
def job(flag):
    current_run().progress(3, 10, "working")
    while not Path(flag).exists():
        time.sleep(0.01)
"""
    fake_plugins.add("slow", "1.0", {"slow.job": "slow_mod:job"}, {"slow_mod.py": source})
    start_worker()

    run = client.submit("slow.job", {"flag": str(tmp_path / "flag")})
    seen = until(lambda: run.refresh().progress, 10)
    (tmp_path / "flag").touch()
    run.wait(10)

    assert (seen.done, seen.total, seen.message) == (3, 10, "working")
    assert run.progress == seen


def test_the_job_may_choose_queue_and_priority(client: Client, start_worker: Any) -> None:
    start_worker(queues=["default"])
    run = client.submit("hostile.special")
    chosen = client.submit("hostile.special", queue="default", priority=1)

    chosen.wait(20)
    until(lambda: run.refresh().record.queue == "special", 10)
    start_worker(queues=["special"])
    run.wait(20)

    assert (run.record.queue, run.record.priority) == ("special", 7)
    assert (chosen.record.queue, chosen.record.priority) == ("default", 1)


def test_a_capped_job_runs_no_more_than_its_cap_over_all_workers(
    client: Client, start_worker: Any, tmp_path: Path
) -> None:
    start_worker()
    start_worker()

    asked = {"folder": str(tmp_path / "together")}
    (tmp_path / "together").mkdir()
    runs = client.submit_many([("hostile.one_at_a_time", asked)] * 8)

    assert [run.result(30) for run in runs] == [1] * 8


def test_higher_priority_runs_first(client: Client, start_worker: Any) -> None:
    names = [client.submit("hostile.echo", priority=each).id for each in (0, 5, -3, 9)]
    order: list[object] = []
    deaf = listen(lambda name, facts: name == "run.claimed" and order.append(facts["run_id"]))

    start_worker(concurrency=1)
    for run in client.find():
        run.wait(20)
    deaf()

    assert order == [names[3], names[1], names[0], names[2]]


def test_a_job_can_submit_to_its_workers_store(
    client: Client, start_worker: Any, fake_plugins: Any
) -> None:
    source = """
import jobreg
def job():
    return jobreg.submit("hostile.echo", {"value": "child"}).id
"""
    fake_plugins.add("parent", "1.0", {"parent.job": "parent_mod:job"}, {"parent_mod.py": source})
    start_worker(registry=Registry(path=[str(fake_plugins.path)]))

    child = client.submit("parent.job").result(20)

    assert client.get(child).result(20) == "child"


def test_an_application_can_offer_a_function_of_its_own(
    client: Client, start_worker: Any, fake_plugins: Any
) -> None:
    (fake_plugins.path / "my_app.py").write_text("def double(x):\n    return 2 * x\n")
    import my_app  # type: ignore[import-not-found]

    client.registry.add("app.double", my_app.double)
    start_worker()

    run = client.submit("app.double", {"x": 21})

    assert run.result(20) == 42
    assert run.provider is not None
    assert run.provider.dist == "application"


def test_until_idle_ends_when_nothing_is_left_that_it_may_run(
    client: Client, registry: Registry, fake_plugins: Any
) -> None:
    fake_plugins.add("ghost", "1.0", {"ghost.job": "ghost:job"})
    ghost = client.submit("ghost.job")
    runs = client.submit_many([("hostile.echo", {"value": n}) for n in range(20)])
    denying = Registry(path=[str(fake_plugins.path)], deny=["ghost"])

    Worker(client.settings.store, registry=denying, until_idle=True, concurrency=2).run()

    assert [run.refresh().result(0) for run in runs] == list(range(20))
    assert ghost.refresh().state is State.QUEUED


def test_stopping_returns_when_running_jobs_have_ended(
    client: Client, start_worker: Any, tmp_path: Path
) -> None:
    worker = start_worker()
    run = client.submit("hostile.until_stopping", {"file": str(tmp_path / "pids")})
    until(lambda: pids_in(tmp_path / "pids"))

    worker.stop()

    assert run.refresh().result(0) == "stopped in time"
    assert client.store.workers() == []
    assert not [each for each in threading.enumerate() if each.name.startswith("jobreg")]


def test_one_run_can_be_executed_here_and_now(client: Client) -> None:
    request = client.request("hostile.third_time_lucky")
    worker = LoneWorker(client.settings.store, registry=client.registry, concurrency=1)

    record = worker.run_one(request)

    assert (record.state, record.result) == (State.SUCCEEDED, "3")
    assert client.store.workers() == []


def test_a_run_is_never_stored_under_a_worker_that_was_declared_dead(client: Client) -> None:
    worker = LoneWorker(client.settings.store, registry=client.registry, concurrency=1)
    request = client.request("hostile.echo", {"value": 1}, delay="1s")
    done: list[RunRecord] = []
    thread = threading.Thread(target=lambda: done.append(worker.run_one(request)))
    thread.start()

    (row,) = until(client.store.workers)
    until(lambda: client.store.rescue(client.store.workers()[0]) is not None, 5)
    thread.join(20)

    assert done[0].state is State.SUCCEEDED
    assert done[0].worker_id != row.worker_id


def test_no_column_but_tracebacks_names_a_module_or_function(
    client: Client, start_worker: Any, fake_plugins: Any
) -> None:
    fake_plugins.add(
        "gone", "1.0", {"gone.away": "moved_module:moved_function"}, {"moved_module.py": ""}
    )
    start_worker()
    names = ["hostile.raises", "hostile.add", "hostile.dies", "gone.away", "hostile.echo"]
    for name in names:
        client.submit(name).wait(20)

    with client.store.reading() as connection:
        tables = connection.execute(
            text("SELECT name FROM sqlite_master WHERE type = 'table'")
        ).scalars()
        rows = [
            (table, column, str(value))
            for table in list(tables)
            for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()
            for column, value in row.items()
            if column != "error_traceback"
        ]

    assert len(rows) > 100
    for secret in ("hostile_jobs_plugin", "moved_module", "moved_function", ":raises"):
        assert not [each for each in rows if secret in each[2]]


def test_a_store_that_goes_away_and_comes_back_costs_no_run(
    client: Client, start_worker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag, file = tmp_path / "flag", tmp_path / "pids"
    worker = start_worker()
    run = client.submit("hostile.waits_for", {"file": str(file), "flag": str(flag)})
    until(lambda: pids_in(file))
    told: list[str] = []
    deaf = listen(lambda name, facts: told.append(name))

    with monkeypatch.context() as broken:
        broken.setattr(worker.store.engine.dialect, "do_execute", _fail)
        flag.touch()
        until(lambda: "store.down" in told, 10)
    run.wait(10)
    # The run is settled, and seen here, just before the turn that wrote it ends.
    until(lambda: "store.up" in told, 10)
    deaf()

    assert json.loads(run.record.result or "") == "seen"
    assert [each.outcome for each in run.attempts()] == [Ending.SUCCEEDED]


def test_an_outage_is_told_once_and_so_is_its_end(
    start_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = start_worker(lease=2.0)
    beats, beat = [False], worker.store.beat

    def beating(*arguments: Any) -> bool:
        beats.append(False)
        renewed: bool = beat(*arguments)
        beats.append(True)
        return renewed

    monkeypatch.setattr(worker.store, "beat", beating)
    told: list[str] = []
    deaf = listen(lambda name, facts: told.append(name) if name.startswith("store.") else None)

    with monkeypatch.context() as broken:
        broken.setattr(worker.store.engine.dialect, "do_execute", _fail)
        until(lambda: "store.down" in told and beats[-3:] == [False] * 3, 10)
    until(lambda: "store.up" in told and beats[-1], 10)
    worker.stop()
    deaf()

    assert told == ["store.down", "store.up"]


def test_a_worker_that_ends_asks_a_store_that_is_away_no_more_often_than_others(
    client: Client, start_worker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, asked = start_worker(), list[float]()
    run = client.submit("hostile.waits_for", {"file": f"{tmp_path}/f", "flag": f"{tmp_path}/go"})
    until(lambda: (tmp_path / "f").exists())

    def away(*_: Any) -> None:
        asked.append(time.monotonic())
        raise StoreUnavailable("it is away")

    with monkeypatch.context() as broken:
        broken.setattr(worker.store, "settle", away)
        (tmp_path / "go").touch()
        worker.stop(wait=False)
        until(lambda: len(asked) > 4)
    worker.stop()

    assert asked[4] - asked[1] > 3 * 0.04
    assert run.refresh().state is State.SUCCEEDED


def test_a_worker_that_ends_tells_of_what_the_store_did_not_take(
    client: Client, start_worker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, told = start_worker(kill_grace=0.1), list[Any]()
    run = client.submit("hostile.waits_for", {"file": f"{tmp_path}/f", "flag": f"{tmp_path}/go"})
    until(lambda: (tmp_path / "f").exists())
    monkeypatch.setattr("jobreg.worker.worker.LAST", 0.2)
    monkeypatch.setattr(worker.store, "settle", _away)
    deaf = listen(lambda name, facts: told.append(facts) if name == "run.unsettled" else None)

    (tmp_path / "go").touch()
    worker.stop(0.5)
    deaf()

    assert told == [
        {"run_id": run.id, "job_name": run.job_name, "attempt": 1, "outcome": Ending.SUCCEEDED}
    ]


def test_what_a_lost_claim_took_is_given_back_before_more_is_claimed(
    client: Client, start_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = start_worker()
    claim, lost, held = worker.store.claim, [], []

    def losing(worker_id: str, *asked: Any, **more: Any) -> Any:
        held.append(len(worker.store.holding(worker_id)))
        claims = claim(worker_id, *asked, **more)
        if claims and len(lost) < 3:
            lost.append(claims)
            raise StoreUnavailable("the answer is lost")
        return claims

    monkeypatch.setattr(worker.store, "claim", losing)
    runs = client.submit_many([("hostile.echo", {"value": number}) for number in range(20)])

    assert [run.result(10) for run in runs] == list(range(20))
    assert (len(lost), set(held[:4])) == (3, {0})
    assert {each.outcome for run in runs for each in run.attempts()} == {Ending.SUCCEEDED}


def _fail(*_: Any) -> None:
    raise sqlite3.OperationalError("disk I/O error")


def _away(*_: Any) -> None:
    raise StoreUnavailable("it is away")
