"""jobreg runs why: for every state the cause, and what to do next."""

from __future__ import annotations

import json
import re
import sqlite3

import pytest
from commands import DONE, FAILED, NAME, QUEUED
from store_hands import Ending, ErrorReport, add, add_worker, claim_one, outcome, settle

from jobreg.cli import run


@pytest.fixture
def why(file, plugin, monkeypatch, capsys):
    """Ask why, in this process; gives the two sentences."""
    from jobreg import Registry

    registry = Registry(path=[str(plugin.parents[1])])
    monkeypatch.setattr("jobreg.registry._default", registry)
    monkeypatch.setenv("JOBREG_STORE", str(file))

    def ask(run_id: str):
        assert run(["runs", "why", run_id, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert list(told) == ["run_id", "job_name", "state", "reason", "why", "next"]
        assert told["run_id"] == run_id
        return told["why"], told["next"]

    return ask


def change(file, sql):
    with sqlite3.connect(file) as connection:
        connection.execute(sql)
    connection.close()


def test_queued_without_any_worker(why):
    assert why(QUEUED) == (
        "No worker is running on this store.",
        "acme-reports 1.0, installed here, has the job; start a worker: jobreg worker",
    )


def test_queued_without_any_worker_and_not_installed_here(why, kept):
    run_id = add(kept, "reports.rendr").run_id

    _, following = why(run_id)

    assert following.startswith("Start one where the job is installed (jobreg worker). Here: No")
    assert "Did you mean 'reports.render' (acme-reports 1.0)?" in following


def test_queued_and_what_is_installed_here_is_refused(why, kept):
    """A worker started here, as it was told before, does not run it either."""
    kept.catalogue.adopt(NAME, "rival")

    alone = why(QUEUED)
    add_worker(kept, names=("other.job",))
    beside = why(QUEUED)

    assert (
        alone[1]
        == beside[1]
        == (
            f"Job '{NAME}' belongs to rival; here acme-reports 1.0 advertises it, and is not run. "
            f"If it should be: jobreg jobs adopt {NAME} --from acme-reports"
        )
    )


def test_queued_and_one_of_two_that_are_installed_here_has_the_name(why, kept, fake_plugins):
    fake_plugins.add("rival", "2.0", {NAME: "rival:run"}, {"rival.py": ""})

    nobody = why(QUEUED)[1]
    kept.catalogue.adopt(NAME, "rival")
    somebody = why(QUEUED)[1]

    assert "jobreg jobs adopt" in nobody
    assert somebody.startswith("rival 2.0, installed here, has the job; start a worker")


def test_queued_and_no_worker_provides_it(why, kept):
    add_worker(kept, names=("other.job",))

    one, _ = why(QUEUED)
    add_worker(kept, names=("other.job",))
    two, _ = why(QUEUED)

    assert one == f"It needs a worker that provides '{NAME}'; the live worker does not."
    assert two == f"It needs a worker that provides '{NAME}'; none of 2 does."


def test_queued_and_its_queue_is_not_served(why, kept):
    add_worker(kept, queues=("mail", "slow"))

    assert why(QUEUED) == (
        f"Workers that provide '{NAME}' serve mail, slow, not queue 'default'.",
        "Start one that does: jobreg worker --queue default",
    )


def test_queued_and_all_slots_are_taken(why, kept):
    worker = add_worker(kept)
    ids = [add(kept, priority=5).run_id for _ in range(4)]
    for _ in range(2):
        claim_one(kept, worker)

    last, following = why(QUEUED)
    first, _ = why(ids[2])

    assert last == (
        "All 2 slots of the workers that can take it are taken, "
        "and 2 runs of queue 'default' come before it."
    )
    assert first == (
        "All 2 slots of the workers that can take it are taken; it is next in its queue."
    )
    assert following == "Wait, or start another worker: jobreg worker"


def test_queued_behind_others_of_its_job_that_execute(why, kept):
    claim_one(kept, add_worker(kept))
    run_id = add(kept).run_id

    because, following = why(run_id)

    assert because == f"1 run of '{NAME}' is executing."
    assert "a cap (concurrency in its @job)" in following


def test_queued_behind_others_with_free_slots(why, kept):
    add_worker(kept)
    run_id = add(kept).run_id

    because, _ = why(run_id)

    assert because == "1 run of queue 'default' comes before it; workers are taking them."


def test_queued_and_nothing_holds_it_up(why, kept):
    add_worker(kept)

    because, following = why(QUEUED)

    assert because == "Nothing holds it up; a worker should take it within a second."
    assert following.startswith("If it stays so, read the log of the worker at far-away (pid ")


def test_what_comes_before_a_run_is_told_by_priority_due_time_and_order(kept):
    high, same, low = (add(kept, priority=each).run_id for each in (9, 0, -9))
    add(kept, queue="mail", priority=9)
    add(kept, delay=60.0, priority=9)

    ahead = {run_id: kept.ahead_of(run_id) for run_id in (high, QUEUED, same, low)}

    assert ahead == {high: 0, QUEUED: 1, same: 2, low: 3}


def test_scheduled_as_asked(why, kept):
    add_worker(kept)
    run_id = add(kept, delay=14400.0).run_id

    because, following = why(run_id)

    assert because.startswith("It is due in 4 h (")
    assert because.endswith(" UTC), because its submitter asked for that time.")
    assert following == f"Wait, or give it up: jobreg runs cancel {run_id}"


def test_scheduled_to_be_tried_again(why, kept):
    worker = add_worker(kept)
    taken = claim_one(kept, worker, max_attempts=3)
    error = ErrorReport("OSError", "disk\nfull")
    settle(kept, worker, outcome(taken, Ending.ERROR, error=error))

    because, _ = why(QUEUED)

    assert because.endswith(" to be tried again: attempt 1 ended with OSError: disk.")


def test_scheduled_overdue_without_a_worker(why, kept, file):
    run_id = add(kept, delay=60.0).run_id
    change(file, "UPDATE jobreg_live SET due_at = due_at - 3660000000 WHERE state = 'scheduled'")

    because, following = why(run_id)

    assert because.startswith("It was due 60 min ago (")
    assert because.endswith("No worker is running, which it needs then.")
    assert following.endswith("start a worker: jobreg worker")


def test_running_on_a_live_worker(why, kept):
    claim_one(kept, add_worker(kept))

    because, following = why(QUEUED)

    assert because.startswith("Attempt 1 began 0 s ago, on far-away (worker pid ")
    assert because.endswith(", heard 0 s ago).")
    assert following == f"Wait, or end it: jobreg runs cancel {QUEUED}"


def test_running_on_a_worker_that_is_not_heard(why, kept, file):
    claim_one(kept, add_worker(kept))
    change(file, "UPDATE jobreg_workers SET expires_at = 1, beat_at = beat_at - 300000000")

    alone, start = why(QUEUED)
    add_worker(kept)
    helped, wait = why(QUEUED)

    lost = "but its worker on far-away was last heard 5 min ago and its lease is out."
    assert f"{lost} No other worker is running to take it back." in alone
    assert start.endswith("start a worker: jobreg worker")
    assert helped.endswith(lost)
    assert wait.startswith("Another worker will take it back")


def test_running_on_a_worker_that_is_gone(why, kept, file):
    claim_one(kept, add_worker(kept))
    change(file, "DELETE FROM jobreg_workers")

    because, _ = why(QUEUED)

    assert "but its worker is gone." in because


@pytest.mark.parametrize(
    ("ending", "said", "told"),
    [
        (Ending.ERROR, {}, "Attempt 1 ended with ValueError: no."),
        (
            Ending.ERROR,
            {"reason": "refused", "retryable": False},
            f"The installed version of '{NAME}' rejects its parameters: ValueError: no.",
        ),
        (
            Ending.TIMEOUT,
            {"error": ErrorReport("TimeoutError", "It ran long.")},
            "Attempt 1 was over its time limit: TimeoutError: It ran long.",
        ),
    ],
)
def test_failed(why, kept, ending, said, told):
    from jobreg.lifecycle import Reason

    worker = add_worker(kept)
    if "reason" in said:
        said = said | {"reason": Reason(said["reason"])}
    settle(kept, worker, outcome(claim_one(kept, worker), ending, **said))

    because, following = why(QUEUED)

    assert because == told
    assert following.endswith(f"jobreg runs retry {QUEUED}")


def test_failed_because_its_process_died(why, kept):
    worker = add_worker(kept)
    taken = claim_one(kept, worker, max_crashes=1)
    error = ErrorReport("ProcessDied", "signal 9")
    settle(kept, worker, outcome(taken, Ending.CRASHED, error=error))

    because, _ = why(QUEUED)

    assert because == "Its process died, 1 time in all: ProcessDied: signal 9."


def test_succeeded_and_cancelled(why, kept):
    kept.cancel(QUEUED)

    done, _ = why(DONE)
    because, following = why(QUEUED)

    assert re.fullmatch(r"Attempt 1 succeeded \d+ \w+ ago\.", done)
    assert because == "It was cancelled 0 s ago, because somebody asked."
    assert following.endswith(f"jobreg runs retry {QUEUED}")


def test_people_see_three_lines(jobreg):
    done = jobreg("runs", "why", FAILED)

    assert (done.returncode, done.stderr) == (0, "")
    first, *rest = done.stdout.splitlines()
    assert first == f"{FAILED} failed {NAME}"
    assert len(rest) == 2
