"""What must hold when a process is killed, frozen or told to end; real processes, real signals."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from attrs import evolve
from crash_house import House
from sqlalchemy import text
from waiting import alive, pids_in, until

from jobreg import Run
from jobreg.lifecycle import Ending, Outcome, State, decide
from jobreg.proc import is_stopped, writer


def _busy(house: House, name: str = "spins") -> list[int]:
    """Submit a job that runs for ever, and wait for it and its subprocess."""
    file = house.file(f"pids-{len(list(house.path.glob('pids-*')))}")
    house.client.submit(f"hostile.{name}", {"file": file})
    return until(lambda: pids_in(Path(file), 2), what="the job runs")


def _freeze(house: House, pid: int) -> None:
    """Stop a supervisor between two transactions: in one, it would be ended for its lock."""
    file = Path(house.file("jobs.db"))

    def frozen() -> bool:
        os.kill(pid, signal.SIGSTOP)
        until(lambda: is_stopped(pid))
        if writer(file) == pid:
            os.kill(pid, signal.SIGCONT)
            return False
        return True

    until(frozen, what="it is frozen outside of a transaction")


def test_a_killed_supervisor_leaves_no_child_and_no_grandchild(house: House) -> None:
    worker = house.worker()
    pids = _busy(house) + _busy(house, "sleeps_in_c")

    worker.kill()

    until(lambda: not any(map(alive, pids)), 1, "children and grandchildren are gone")


def test_children_die_with_the_supervisor_though_the_guard_was_killed_before(
    house: House,
) -> None:
    worker = house.worker(lease="5s")
    pids = _busy(house)
    guard = _guard_of(worker.pid)
    os.kill(guard, signal.SIGKILL)

    second = until(lambda: _guard_of(worker.pid, other_than=guard), 5, "the guard is replaced")
    assert second != guard
    worker.kill()

    until(lambda: not any(map(alive, pids)), 1)


def test_children_die_with_the_supervisor_though_the_guard_cannot_act(house: House) -> None:
    worker = house.worker()
    child, grandchild = _busy(house)
    guard = _guard_of(worker.pid)
    assert guard is not None
    os.kill(guard, signal.SIGSTOP)

    worker.kill()
    try:
        until(lambda: not alive(child), 1, "the death of the forkserver reaches its children")
    finally:
        os.kill(guard, signal.SIGCONT)

    until(lambda: not alive(grandchild), 1, "the guard comes to the rest")


def test_a_worker_on_the_same_host_takes_over_within_three_seconds(house: House) -> None:
    first = house.worker()
    flag = Path(house.file("flag"))
    run = house.client.submit("hostile.waits_for", {"file": house.file("pids"), "flag": str(flag)})
    until(lambda: pids_in(Path(house.file("pids")), 2))
    house.worker()

    os.kill(first.pid, signal.SIGSTOP)  # so that it cannot settle what ends now
    flag.touch()
    Path(house.file("pids")).unlink()
    first.kill()
    killed = time.monotonic()
    run.wait(10)

    assert time.monotonic() - killed <= 3
    assert run.state is State.SUCCEEDED
    assert [each.outcome for each in run.attempts()] == [Ending.CRASHED, Ending.SUCCEEDED]


def test_a_new_worker_rescues_what_a_dead_one_held(house: House) -> None:
    first = house.worker()
    _busy(house)
    _busy(house)
    first.kill()

    house.worker()

    runs = list(house.client.find())
    again = until(lambda: [each for each in runs if each.refresh().attempt == 2], 3, "one runs")
    fresh = house.client.submit("hostile.echo", {"value": 1})
    outcomes = [[each.outcome for each in run.attempts()] for run in runs]
    assert outcomes == [[Ending.LOST], [Ending.LOST]], "two runs: nobody knows which was to blame"
    assert len(again) == 1, "a suspect runs alone"
    assert fresh.refresh().attempt == 0
    again[0].cancel().wait(10)
    (other,) = (run for run in runs if run.id != again[0].id)
    until(lambda: other.refresh().attempt == 2, 3, "then the other")
    assert fresh.refresh().attempt == 0
    other.cancel().wait(10)
    assert fresh.result(10) == 1
    assert [run.record.crashes for run in runs] == [0, 0]


def test_a_dead_worker_of_another_host_is_found_by_its_lease(house: House) -> None:
    lease = 2.0
    first = house.worker(lease=f"{lease}s")
    _busy(house)
    house.worker(lease=f"{lease}s")
    with house.client.store.writing() as connection:
        connection.execute(
            text("UPDATE jobreg_workers SET host = 'elsewhere' WHERE pid = :pid"),
            {"pid": first.pid},
        )

    first.kill()

    (run,) = house.client.find()
    until(lambda: run.refresh().attempt == 2, lease + 2, "another takes over")
    assert house.row(first.pid) is None


def test_a_worker_that_beats_is_left_alone(house: House) -> None:
    house.worker(lease="1s")
    _busy(house)
    second = house.worker(lease="1s")

    beats = {row.worker_id: row.beat for row in house.rows()}
    until(lambda: all(row.beat > beats[row.worker_id] + 6 for row in house.rows()), 10)

    assert [run.attempt for run in house.client.find()] == [1]
    assert second.poll() is None


@pytest.mark.parametrize("meanwhile", ["runs", "waits", "is done"])
def test_a_frozen_supervisor_loses_its_children_and_every_write(
    house: House, meanwhile: str
) -> None:
    lease = 2.0
    first = house.worker(lease=f"{lease}s")
    old = house.row(first.pid)
    assert old is not None
    pids = _busy(house)
    (run,) = house.client.find()
    _freeze(house, first.pid)

    until(lambda: not any(map(alive, pids)), lease + 0.5, "the guard kills the children")
    house.worker(lease=f"{lease}s")
    Path(house.file("pids-0")).unlink()
    until(lambda: run.refresh().attempt == 2, 4 * lease, "another takes over")
    _second_attempt(house, run, meanwhile)
    before = run.refresh().record, run.attempts()
    os.kill(first.pid, signal.SIGCONT)
    back = until(lambda: _live_row(house, first.pid, other_than=old.worker_id), 3 * lease)

    assert back.worker_id != old.worker_id
    assert run.refresh().record.worker_id not in (old.worker_id, back.worker_id)
    assert (run.record, run.attempts()) == before
    late = Outcome(run_id=run.id, attempt=1, ending=Ending.SUCCEEDED, result='"zombie"')
    claim = evolve(_claim_of(run.id), attempt=1)
    decided = decide(claim, late, lambda: 0.5)
    assert house.client.store.settle(old.worker_id, "zombie", [decided]) == [decided]
    assert (run.refresh().record, run.attempts()) == before


def _second_attempt(house: House, run: Run, meanwhile: str) -> None:
    """Let the attempt after the freeze run, end so that it waits for a retry, or be over."""
    child, _ = until(lambda: pids_in(Path(house.file("pids-0")), 2), what="it runs again")
    if meanwhile == "waits":
        os.kill(child, signal.SIGKILL)
        until(lambda: run.refresh().state is State.SCHEDULED, 5, "its second crash makes it wait")
    elif meanwhile == "is done":
        run.cancel().wait(10)


def test_a_supervisor_frozen_in_a_transaction_does_not_keep_the_store(house: House) -> None:
    lease = 2.0
    first = house.worker(lease=f"{lease}s", failpoints="settle.before_commit=stop")
    pids = _busy(house)
    house.client.submit("hostile.echo", {"value": 1})
    runs = list(house.client.find())

    until(lambda: is_stopped(first.pid), what="it is frozen with the write lock")
    until(lambda: first.poll() is not None, lease + 1, "the guard ends it")
    assert first.wait() == -signal.SIGKILL
    until(lambda: not any(map(alive, pids)), 1, "the children are dead")
    house.worker()
    # Lost together, they run alone, and one of them for ever.
    until(lambda: any(run.refresh().attempt == 2 for run in runs), 5, "another takes over")


def test_a_worker_frozen_and_thawed_alone_blames_no_run(house: House) -> None:
    lease = 1.0
    worker = house.worker(lease=f"{lease}s")
    pids = _busy(house)
    (run,) = house.client.find()

    _freeze(house, worker.pid)
    until(lambda: not any(map(alive, pids)), lease + 0.5, "the guard kills the children")
    os.kill(worker.pid, signal.SIGCONT)
    until(lambda: run.refresh().attempt >= 2, 10, "it runs again")

    assert run.record.crashes == 0
    assert run.attempts()[0].outcome in (Ending.RELEASED, Ending.LOST)


def test_a_killed_child_is_noticed_within_a_second(house: House) -> None:
    house.worker()
    pids = _busy(house)
    (run,) = house.client.find()

    os.kill(pids[0], signal.SIGKILL)
    attempt = until(lambda: run.attempts(), 1, "the crash is settled")[0]

    assert (attempt.outcome, attempt.exit_signal) == (Ending.CRASHED, signal.SIGKILL)
    assert attempt.error is not None
    assert "out of memory?" in attempt.error.message
    until(lambda: not alive(pids[1]), 1, "its subprocess is gone too")


def test_a_run_that_kills_its_child_starts_three_times_and_no_more(house: House) -> None:
    house.worker()
    poison = house.client.submit("hostile.kills_itself")
    others = house.client.submit_many([("hostile.echo", {"value": i}) for i in range(1000)])

    results = [run.result(60) for run in others]
    poison.wait(30)

    assert results == list(range(1000))
    with house.client.store.reading() as connection:
        charged = connection.execute(
            text(
                "SELECT count(*) FROM jobreg_runs WHERE job_name = 'hostile.echo' AND "
                "(attempt > 1 OR crashes > 0 OR tries > 0)"
            )
        ).scalar()
    assert charged == 0
    assert (poison.state, poison.reason) == (State.FAILED, "crashed")
    assert [each.outcome for each in poison.attempts()] == [Ending.CRASHED] * 3


def test_an_at_most_once_run_is_never_started_again(house: House) -> None:
    first = house.worker()
    log = Path(house.file("log"))
    asked = {"file": house.file("pids"), "log": str(log)}
    run = house.client.submit("hostile.once", asked)
    until(lambda: pids_in(Path(house.file("pids"))))

    first.kill()
    house.worker()
    run.wait(10)

    assert (run.state, run.reason) == (State.FAILED, "crashed")
    assert log.read_text() == "started\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_worker_told_to_end_lets_its_job_finish(house: House, number: signal.Signals) -> None:
    worker = house.worker()
    run = house.client.submit("hostile.until_stopping", {"file": house.file("pids")})
    later = house.client.submit("hostile.echo", delay="1h")
    until(lambda: pids_in(Path(house.file("pids"))))

    worker.send_signal(number)

    assert worker.wait(10) == 0
    assert run.refresh().result() == "stopped in time"
    assert later.refresh().state is State.SCHEDULED
    assert house.rows() == []


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminal_that_closes_says_so_once(house: House, first: signal.Signals) -> None:
    worker = house.worker()
    run = house.client.submit("hostile.until_stopping", {"file": house.file("pids")})
    until(lambda: pids_in(Path(house.file("pids"))))

    others = [signal.SIGHUP, signal.SIGTERM]
    others.remove(first)
    for number in (first, *others, *[signal.SIGHUP] * 5):
        worker.send_signal(number)

    assert worker.wait(10) == 0
    assert run.result(10) == "stopped in time"


IN_A_THREAD = """
import threading, time

threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
"""


@pytest.mark.parametrize("site", ["", IN_A_THREAD], ids=["plain", "threaded"])
def test_a_sigterm_to_every_process_of_the_unit_lets_the_job_finish(
    house: House, site: str
) -> None:
    """Also where the forkserver has a thread, as some profilers start in every process."""
    (house.plugins.path / "sitecustomize.py").write_text(site)
    worker = house.worker()
    run = house.client.submit("hostile.until_stopping", {"file": house.file("pids")})
    until(lambda: pids_in(Path(house.file("pids"))))

    for pid in _descendants(worker.pid):
        os.kill(pid, signal.SIGTERM)
    worker.terminate()

    assert worker.wait(10) == 0
    assert run.refresh().result(0) == "stopped in time"
    assert [each.outcome for each in run.attempts()] == [Ending.SUCCEEDED]


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _waiting(house: House, number: int) -> tuple[list[Run], list[int], Path]:
    """Runs that wait for a flag, and their processes."""
    flag, runs, pids = Path(house.file("flag")), [], []
    for n in range(number):
        file = Path(house.file(f"waiting-{n}"))
        asked = {"file": str(file), "flag": str(flag)}
        runs.append(house.client.submit("hostile.waits_for", asked))
        pids.append(until(lambda file=file: pids_in(file, 2))[0])  # type: ignore[misc]
    return runs, pids, flag


def test_runs_whose_forkserver_died_are_charged_to_none_of_them(house: House) -> None:
    """One of them may have killed it, by a signal to its parent: the others are innocent."""
    house.worker()
    runs, pids, flag = _waiting(house, 2)

    os.kill(_parent_of(pids[0]), signal.SIGKILL)
    for run in runs:
        until(lambda run=run: run.attempts(), what="it is known")  # type: ignore[misc]
    flag.touch()

    for run in runs:
        assert run.wait(20).state is State.SUCCEEDED
        assert (run.record.crashes, run.attempts()[0].outcome) == (0, Ending.LOST)
        error = run.attempts()[0].error
        assert error is not None
        assert "died (with the process that children come from" in error.message


def test_a_run_alone_whose_forkserver_died_is_charged(house: House) -> None:
    house.worker()
    (run,), (pid,), flag = _waiting(house, 1)

    os.kill(_parent_of(pid), signal.SIGKILL)
    until(run.attempts, what="it is known")
    flag.touch()

    assert run.wait(20).state is State.SUCCEEDED
    assert (run.record.crashes, run.attempts()[0].outcome) == (1, Ending.CRASHED)


def test_a_forkserver_that_somebody_stops_goes_on(house: House) -> None:
    worker = house.worker("--kill-grace", "0.5s", "--grace", "0.2s")
    (run,), (pid,), _ = _waiting(house, 1)
    server = _parent_of(pid)

    os.kill(server, signal.SIGSTOP)
    other = house.client.submit("hostile.own_process")  # a child of its own: one must be started
    assert other.result(10)
    os.kill(server, signal.SIGSTOP)
    asked = time.monotonic()
    run.cancel().wait(10)
    assert time.monotonic() - asked <= 1 + 0.5 + 1
    os.kill(server, signal.SIGSTOP)
    worker.terminate()

    assert worker.wait(10) == 0


def test_a_job_that_outlasts_the_grace_is_released_uncounted(house: House) -> None:
    worker = house.worker("--grace", "0.2s")
    pids = _busy(house, "sleeps_in_c")
    (run,) = house.client.find()

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(10) == 0
    assert not any(map(alive, pids))
    record = run.refresh().record
    assert (record.state, record.attempt, record.tries, record.crashes) == ("queued", 1, 0, 0)
    assert [each.outcome for each in run.attempts()] == [Ending.RELEASED]


def test_a_second_signal_skips_the_wait(house: House) -> None:
    worker = house.worker("--grace", "1h")
    _busy(house, "sleeps_in_c")

    worker.send_signal(signal.SIGTERM)
    until(lambda: "worker.stopping" in house.log(), what="it drains")
    worker.send_signal(signal.SIGTERM)

    assert worker.wait(10) == 0


def test_a_burst_of_signals_ends_a_worker(house: House) -> None:
    for _ in range(3):
        worker = house.worker()

        for number in [signal.SIGTERM, signal.SIGINT] * 20:
            worker.send_signal(number)

        assert worker.wait(10) == 0


def test_cancelling_a_running_run_ends_it_within_the_bound(house: House) -> None:
    house.worker("--kill-grace", "0.5s")
    pids = _busy(house, "sleeps_in_c")
    (run,) = house.client.find()

    asked = time.monotonic()
    run.cancel().wait(10)

    assert time.monotonic() - asked <= 1 + 0.5 + 1
    assert (run.state, run.reason) == (State.CANCELLED, "asked")
    until(lambda: not any(map(alive, pids)), 1)


def _claim_of(run_id: str):  # type: ignore[no-untyped-def]
    from jobreg.lifecycle import Claim

    return Claim(run_id=run_id, job_name="hostile.spins", params="{}", attempt=1)


def _live_row(house: House, pid: int, other_than: str):  # type: ignore[no-untyped-def]
    row = house.row(pid)
    return row if row is not None and row.live and row.worker_id != other_than else None


def _descendants(pid: int) -> list[int]:
    """All processes below one: children, the forkserver, the guard."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = folder.joinpath("stat").read_text()
        except OSError:
            continue
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [pid]
    for known in found:
        found += [each for each, parent in parents.items() if parent == known]
    return found[1:]


def _guard_of(pid: int, other_than: int = 0) -> int | None:
    """The guard's process id, by its command line and its parent."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            command = folder.joinpath("cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if parent == pid and b"guard.py" in command and int(folder.name) != other_than:
            return int(folder.name)
    return None
