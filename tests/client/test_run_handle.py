"""The handle over one run: wait, result, cancel, retry, and why it waits."""

from __future__ import annotations

import multiprocessing
import threading
import time
from traceback import format_exception

import pytest
from store_hands import (
    PROVIDER,
    add_worker,
    claim,
    claim_one,
    finish,
    offer,
    outcome,
    row_of,
    settle,
)

from jobreg import Conflict, RunCancelled, RunFailed, UnknownRun, WaitTimeout
from jobreg.lifecycle import Ending, ErrorReport, Progress, Reason, State
from jobreg.request import new_run_id

NAME = "reports.render"


def test_a_handle_shows_the_run_as_it_was_read_until_it_is_refreshed(client, worker):
    run = client.submit(NAME)
    taken = claim_one(client.store, worker)
    client.store.note_progress(worker, [(run.id, taken.attempt, Progress(1, 2, "half"))])
    before = run.state

    refreshed = run.refresh()

    assert refreshed is run
    assert (before, run.state) == (State.QUEUED, State.RUNNING)
    assert (run.attempt, run.provider, run.progress) == (1, PROVIDER, Progress(1, 2, "half"))
    assert repr(run) == f"<Run {run.id} {NAME} running>"


def test_a_run_that_is_not_there_is_unknown(client):
    with pytest.raises(UnknownRun):
        client.get(new_run_id())


def test_the_result_is_what_the_job_returned(client, worker):
    run = client.submit(NAME)
    taken = claim_one(client.store, worker)
    settle(client.store, worker, outcome(taken, result='{"pages":[1,2]}'))

    assert run.result() == {"pages": [1, 2]}
    assert run.state is State.SUCCEEDED


def test_waiting_ends_when_another_settles_the_run(client, worker):
    run = client.submit(NAME)
    waiting = threading.Event()
    changed = client.store.watch

    def watch():
        waiting.set()
        return changed()

    client.store.watch = watch
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(run.result(timeout=30)))
    thread.start()
    waiting.wait(30)

    finish(client.store, worker)
    thread.join(30)

    assert results == ["done"]


@pytest.mark.parametrize("timeout", [0, 0.05, "0s"])
def test_a_wait_that_ends_before_the_run_says_so_and_the_run_goes_on(client, timeout):
    run = client.submit(NAME)

    with pytest.raises(WaitTimeout, match=rf"Run {run.id} was still queued after 0.* s; it goes"):
        run.wait(timeout=timeout)

    assert run.refresh().state is State.QUEUED


def test_a_wait_lasts_as_long_as_it_was_asked_to(client):
    run = client.submit(NAME)
    begun = time.monotonic()

    with pytest.raises(TimeoutError):
        run.result(timeout=0.2)

    assert 0.2 <= time.monotonic() - begun < 5


def test_a_wait_of_nonsense_is_refused(client):
    with pytest.raises(ValueError, match=r"^timeout: "):
        client.submit(NAME).wait(timeout="soon")


def test_the_result_of_a_failed_run_tells_reason_error_and_traceback(client, worker):
    run = client.submit(NAME)
    finish(client.store, worker, Ending.ERROR)

    with pytest.raises(RunFailed, match=r"failed \(error\): ValueError: no$") as failed:
        run.result()

    assert (failed.value.reason, failed.value.error_type) == ("error", "ValueError")
    assert failed.value.traceback == "Traceback ..."
    assert (run.reason, run.error.message) == (Reason.ERROR, "no")


def test_the_result_of_a_run_that_failed_without_an_error_is_still_a_failure(client, worker):
    run = client.submit(NAME)
    finish(client.store, worker, Ending.TIMEOUT)

    with pytest.raises(RunFailed, match=r"failed \(timeout\)$") as failed:
        run.result()

    assert (failed.value.reason, failed.value.traceback) == ("timeout", "")


def test_the_result_of_a_cancelled_run_is_an_error_of_its_own(client):
    run = client.submit(NAME).cancel()

    with pytest.raises(RunCancelled, match=f"Run {run.id} of '{NAME}' was cancelled"):
        run.result()


def test_cancelling_by_handle_or_id_shows_where_the_run_stands(client, worker):
    waiting, running = client.submit(NAME), client.submit(NAME, priority=1)
    claim_one(client.store, worker)

    assert waiting.cancel() is waiting
    assert (waiting.state, waiting.reason) == (State.CANCELLED, Reason.ASKED)
    assert client.cancel(running.id).state is State.RUNNING
    assert client.store.cancels_asked(worker) == [(running.id, 1)]


@pytest.mark.parametrize("ending", [Ending.ERROR, Ending.CANCELLED])
def test_a_failed_or_cancelled_run_is_queued_again_as_itself(client, worker, ending):
    run = client.submit(NAME)
    finish(client.store, worker, ending)

    again = run.retry()

    assert again.id == run.id
    assert (again.state, again.reason, again.attempt) == (State.QUEUED, None, 1)
    assert claim_one(client.store, worker).attempt == 2


def test_a_succeeded_run_is_tried_again_as_a_copy_that_tells_its_origin(client, worker):
    run = client.submit(
        NAME, {"a": 1}, queue="mail", priority=4, timeout=9, max_attempts=3, max_crashes=2,
        tags=["x"],
    )  # fmt: skip
    finish(client.store, worker)

    copy = client.retry(run.id)

    old, new = client.get(run.id).record, client.get(copy.id).record
    assert copy.id != run.id
    assert (old.state, old.retried_from) == (State.SUCCEEDED, None)
    assert (new.state, new.retried_from, new.attempt) == (State.QUEUED, run.id, 0)
    for name in ("job_name", "params", "queue", "priority", "timeout", "max_attempts", "tags"):
        assert getattr(new, name) == getattr(old, name)
    assert new.max_crashes == old.max_crashes == 2


@pytest.mark.parametrize("state", ["queued", "scheduled", "running"])
def test_a_run_that_is_not_over_cannot_be_tried_again(client, worker, state):
    run = client.submit(NAME, delay=60 if state == "scheduled" else None)
    if state == "running":
        claim_one(client.store, worker)

    with pytest.raises(Conflict, match=f"is {state}; only a failed or cancelled run"):
        run.retry()


def test_of_two_retries_at_the_same_time_one_is_a_conflict(client, worker):
    run = client.submit(NAME)
    finish(client.store, worker, Ending.ERROR)
    reopen = client.store.reopen

    def reopen_after_another(record):
        reopen(record)
        return reopen(record)

    client.store.reopen = reopen_after_another
    with pytest.raises(Conflict, match="is queued"):
        run.retry()


def test_the_attempts_of_a_run_come_oldest_first(client, worker):
    run = client.submit(NAME)
    finish(client.store, worker, Ending.CRASHED)
    finish(client.store, worker)

    assert [(each.number, each.outcome) for each in run.attempts()] == [
        (1, Ending.CRASHED), (2, Ending.SUCCEEDED),
    ]  # fmt: skip


class TestWaitingOn:
    """Why a run does not run is computed when asked."""

    def test_no_worker_runs(self, client):
        run = client.submit(NAME)

        assert run.waiting_on() == f"a worker that provides '{NAME}'; no worker is running"

    def test_no_live_worker_provides_the_name(self, client):
        add_worker(client.store, names=["other.job"])
        run = client.submit(NAME)

        assert run.waiting_on() == f"a worker that provides '{NAME}'; no live worker does"

    def test_no_worker_of_the_name_serves_the_queue(self, client):
        add_worker(client.store, queues=["slow"])
        run = client.submit(NAME, queue="mail")

        told = f"a worker that serves queue 'mail' and provides '{NAME}'"
        assert run.waiting_on() == told

    def test_a_dead_worker_does_not_count(self, client):
        gone = add_worker(client.store)
        client.store.rescue(row_of(client.store, gone))
        add_worker(client.store, lease=-1.0)

        assert "no worker is running" in client.submit(NAME).waiting_on()

    def test_a_run_that_will_be_taken_waits_on_nothing(self, client, worker):
        assert client.submit(NAME).waiting_on() is None

    def test_a_scheduled_run_waits_on_its_time(self, client, worker):
        run = client.submit(NAME, delay=60)

        assert run.waiting_on() == f"its due time, {run.record.scheduled_at.isoformat()}"

    def test_a_running_or_final_run_waits_on_nothing(self, client, worker):
        running = client.submit(NAME, priority=1)
        claim_one(client.store, worker)
        final = client.submit(NAME).cancel()

        assert running.refresh().waiting_on() is final.waiting_on() is None

    def test_an_unprovided_run_stays_queued_untouched_and_blocks_nothing(self, client, worker):
        stuck = client.submit("reports.profile", priority=9)
        run = client.submit(NAME)

        claims = claim(client.store, worker, offer(most=1))

        assert [taken.run_id for taken in claims] == [run.id]
        assert (stuck.refresh().state, stuck.attempt) == (State.QUEUED, 0)
        assert "'reports.profile'" in stuck.waiting_on()


def test_one_client_may_be_used_from_eight_threads(client):
    start, failures = threading.Barrier(8), []

    def use(number):
        try:
            start.wait(30)
            for each in range(10):
                run = client.submit(NAME, {"n": [number, each]})
                assert client.get(run.id).params == {"n": [number, each]}
                assert run.cancel().state is State.CANCELLED
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    seen = sorted(run.params["n"] for run in client.find(state="cancelled"))
    assert seen == [[number, each] for number in range(8) for each in range(10)]


def submit_in_child(client, told):
    """What a forked child does with its parent's client."""
    try:
        inherited = client.store.engine.pool.checkedin()
        told.send((inherited, client.submit(NAME, {"by": "child"}).id))
    except BaseException as error:
        told.send(repr(error))


def test_a_client_goes_on_in_a_forked_child_and_in_its_parent(client):
    before = client.submit(NAME, {"by": "parent"})
    fork = multiprocessing.get_context("fork")
    heard, told = fork.Pipe(duplex=False)
    child = fork.Process(target=submit_in_child, args=(client, told))

    child.start()
    answer = heard.recv() if heard.poll(30) else "no answer"
    child.join(30)
    after = client.submit(NAME, {"by": "parent again"})

    assert isinstance(answer, tuple), answer
    inherited, of_child = answer
    assert inherited > 0  # the parent did have a connection to inherit
    assert [run.id for run in client.find()] == [after.id, of_child, before.id]


def test_an_uncaught_failure_shows_the_traceback_of_the_run_without_control_codes(client, worker):
    run = client.submit(NAME)
    report = ErrorReport("ValueError", "no", 'Traceback ...\n\tFile "job.py"\x1b[31m\nValueError')
    taken = claim_one(client.store, worker)
    settle(client.store, worker, outcome(taken, Ending.ERROR, error=report))

    with pytest.raises(RunFailed) as failed:
        run.result(0)

    shown = "".join(format_exception(failed.value))
    assert 'Traceback ...\n\tFile "job.py"\\x1b[31m\nValueError' in shown
    assert "\x1b" not in shown
    assert failed.value.traceback == report.traceback
