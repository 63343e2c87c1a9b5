"""settle: outcomes are written once, under their fence."""

from __future__ import annotations

import sys
from datetime import timedelta
from itertools import groupby

import pytest
from attrs import evolve
from sqlalchemy import event
from store_hands import (
    HOST,
    PROVIDER,
    add,
    add_worker,
    asked,
    claim,
    claim_one,
    everything,
    finish,
    offer,
    outcome,
    row_of,
    said_to_sqlite,
    settle,
    states,
)

from jobreg import Backoff
from jobreg.lifecycle import Ending, ErrorReport, Progress, Provider, Reason, State, decide
from jobreg.runner import execute

RETRY = {"max_attempts": 3, "backoff": Backoff(first=8)}


def test_a_success_is_final_with_its_result(store, worker):
    run = add(store)
    taken = claim_one(store, worker)

    refused = settle(store, worker, outcome(taken, result='{"pages":3}', pid=77))

    stored = store.get(run.run_id)
    assert refused == []
    assert (stored.state, stored.reason, stored.result) == (State.SUCCEEDED, None, '{"pages":3}')
    assert (stored.attempt, stored.tries, stored.worker_id) == (1, 0, worker)
    assert stored.provider == PROVIDER
    assert stored.finished_at is not None
    assert everything(store)["jobreg_live"] == []
    (attempt,) = store.attempts(run.run_id)
    assert (attempt.number, attempt.outcome) == (1, Ending.SUCCEEDED)
    assert (attempt.worker_id, attempt.host, attempt.pid) == (worker, HOST, 77)
    assert (attempt.provider, attempt.error) == (PROVIDER, None)


def test_a_failure_keeps_reason_error_and_traceback(store, worker):
    run = add(store)

    finish(store, worker, Ending.ERROR)

    stored = store.get(run.run_id)
    assert (stored.state, stored.reason, stored.tries) == (State.FAILED, Reason.ERROR, 1)
    assert (stored.error.type, stored.error.message) == ("ValueError", "no")
    assert stored.error.traceback == "Traceback ..."
    assert store.attempts(run.run_id)[0].error == stored.error


def test_an_exit_signal_is_kept_with_its_attempt(store, worker):
    run = add(store)
    taken = claim_one(store, worker)

    settle(store, worker, outcome(taken, Ending.CRASHED, exit_signal=9))

    assert store.attempts(run.run_id)[0].exit_signal == 9


def test_a_retry_is_scheduled_with_its_counters_and_its_number_goes_on(store, clock, worker):
    run = add(store)
    finish(store, worker, Ending.ERROR, **RETRY)
    scheduled = store.get(run.run_id)
    clock.set(7.9)
    store.stage_due()
    too_early = claim(store, worker)
    clock.set(8)
    store.stage_due()

    again = claim_one(store, worker, **RETRY)

    assert (scheduled.state, scheduled.tries, scheduled.attempt) == (State.SCHEDULED, 1, 1)
    assert scheduled.scheduled_at - scheduled.created_at == timedelta(seconds=8)
    assert scheduled.worker_id is scheduled.started_at is scheduled.error is None
    assert too_early == []
    assert (again.attempt, again.tries) == (2, 1)


def test_every_try_has_one_row_of_its_own(store, clock, worker):
    run = add(store)
    for seconds in (0, 100, 200):
        clock.set(seconds)
        store.stage_due()
        finish(store, worker, Ending.ERROR, **RETRY)

    numbers = [(attempt.number, attempt.outcome) for attempt in store.attempts(run.run_id)]

    assert numbers == [(1, Ending.ERROR), (2, Ending.ERROR), (3, Ending.ERROR)]
    assert store.get(run.run_id).state is State.FAILED
    assert store.get(run.run_id).tries == 3


def test_a_crash_is_queued_again_at_once_and_counted_apart(store, worker):
    run = add(store)

    finish(store, worker, Ending.CRASHED)

    stored = store.get(run.run_id)
    assert (stored.state, stored.tries, stored.crashes) == (State.QUEUED, 0, 1)
    assert claim_one(store, worker).crashes == 1


def test_a_released_claim_that_never_began_leaves_no_attempt(store, worker):
    run = add(store)
    taken = claim_one(store, worker)

    settle(store, worker, outcome(taken, Ending.RELEASED))

    stored = store.get(run.run_id)
    assert (stored.state, stored.attempt, stored.tries, stored.crashes) == (State.QUEUED, 1, 0, 0)
    assert store.attempts(run.run_id) == []
    assert claim_one(store, worker).attempt == 2


def test_a_released_claim_that_had_begun_leaves_its_attempt(store, worker):
    run = add(store)
    taken = claim_one(store, worker)

    settle(store, worker, outcome(taken, Ending.RELEASED, started=1.0))

    assert [attempt.outcome for attempt in store.attempts(run.run_id)] == [Ending.RELEASED]
    assert store.get(run.run_id).state is State.QUEUED


def test_a_released_run_keeps_its_place_in_the_line(store, clock, worker):
    first = add(store)
    clock.set(5)
    add(store)
    taken = claim_one(store, worker)
    clock.set(10)

    settle(store, worker, outcome(taken, Ending.RELEASED))

    assert claim_one(store, worker).run_id == first.run_id


def test_the_latest_attempts_provider_is_that_of_the_run(store, worker):
    run = add(store)
    taken = claim_one(store, worker)

    settle(store, worker, outcome(taken, provider=Provider("acme-reports", "2.0")))

    assert store.get(run.run_id).provider == Provider("acme-reports", "2.0")
    assert store.attempts(run.run_id)[0].provider == Provider("acme-reports", "2.0")


def test_times_measured_by_the_process_are_laid_onto_the_databases_clock(store, clock, worker):
    run = add(store)
    taken = claim_one(store, worker)
    clock.set(100)

    raw = evolve(outcome(taken), started=10.0, ended=12.5)
    settle(store, worker, raw)

    stored = store.get(run.run_id)
    assert stored.finished_at - stored.started_at == timedelta(seconds=2.5)


@pytest.mark.parametrize("ending", [Ending.SUCCEEDED, Ending.ERROR, Ending.CRASHED])
@pytest.mark.parametrize(
    "plant", ["an earlier attempt", "a later attempt", "another worker", "another run"]
)
def test_an_outcome_that_is_not_the_holders_is_refused_and_changes_nothing(
    store, worker, ending, plant
):
    add(store)
    settle(store, worker, outcome(claim_one(store, worker), Ending.RELEASED))
    taken = claim_one(store, worker)
    author = add_worker(store) if plant == "another worker" else worker
    fake = {
        "an earlier attempt": evolve(taken, attempt=taken.attempt - 1),
        "a later attempt": evolve(taken, attempt=taken.attempt + 1),
        "another worker": taken,
        "another run": evolve(taken, run_id=asked().run_id),
    }[plant]
    before = everything(store)

    refused = settle(store, author, outcome(fake, ending))

    assert [(each.run_id, each.attempt) for each in refused] == [(fake.run_id, fake.attempt)]
    assert everything(store) == before


@pytest.mark.parametrize("ending", [Ending.SUCCEEDED, Ending.ERROR, Ending.CRASHED])
def test_an_outcome_of_a_run_that_is_final_is_refused_and_changes_nothing(store, worker, ending):
    add(store)
    other = add_worker(store)
    finish(store, worker)
    late = evolve(claim_of(store), attempt=1)
    before = everything(store)

    refused = settle(store, other, outcome(late, ending))

    assert len(refused) == 1
    assert everything(store) == before


def claim_of(store):
    """A claim as somebody might have held it on the newest run."""
    from jobreg.lifecycle import Claim

    (run, *_), _ = store.find()
    return Claim(run_id=run.run_id, job_name=run.job_name, params="{}", attempt=run.attempt)


def test_a_rescued_workers_outcomes_are_refused_and_change_nothing(store, worker):
    add(store)
    add(store)
    first, second = claim(store, worker)
    store.rescue(row_of(store, worker))
    before = everything(store)

    refused = settle(store, worker, outcome(first), outcome(second, Ending.ERROR))

    assert [each.run_id for each in refused] == [first.run_id, second.run_id]
    assert everything(store) == before


def test_a_rescued_workers_outcome_is_refused_while_another_worker_runs_the_run(store, worker):
    run = add(store)
    old = claim_one(store, worker)
    store.rescue(row_of(store, worker))
    other = add_worker(store)
    new = claim_one(store, other)

    refused = settle(store, worker, outcome(old, result='"old"'))
    settle(store, other, outcome(new, result='"new"'))

    assert len(refused) == 1
    assert store.get(run.run_id).result == '"new"'
    assert [each.outcome for each in store.attempts(run.run_id)] == [
        Ending.CRASHED, Ending.SUCCEEDED,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        (Ending.SUCCEEDED, {}),
        (Ending.ERROR, {}),
        (Ending.CRASHED, {"pid": 7}),
        (Ending.RELEASED, {"started": 1.0}),
        (Ending.RELEASED, {}),
    ],
    ids=str,
)
def test_an_outcome_settled_again_after_its_own_commit_counts_as_written(
    store, worker, ending, said
):
    add(store)
    written = outcome(claim_one(store, worker), ending, **said)
    settle(store, worker, written)
    before = everything(store)

    refused = settle(store, worker, written)

    assert refused == []
    assert everything(store) == before


def test_one_refused_outcome_does_not_keep_the_others_from_being_written(store, worker):
    store.insert([asked() for _ in range(4)])
    claims = claim(store, worker, offer(most=4))
    outcomes = [outcome(each) for each in claims]
    stale = evolve(outcomes[1], attempt=9)

    refused = settle(store, worker, outcomes[0], stale, *outcomes[2:])

    assert refused == [stale]
    assert states(store) == {"running": 1, "succeeded": 3}


def test_a_batch_is_written_as_a_whole_or_not_at_all(store, worker):
    store.insert([asked() for _ in range(3)])
    first, second, third = (outcome(each) for each in claim(store, worker))
    # What succeeded is written before it, in the same transaction; the driver cannot bind this.
    bad = evolve(second, ending=Ending.CRASHED, state=State.FAILED, exit_signal=object())
    before = everything(store)

    with pytest.raises(Exception, match=r"not supported|cannot adapt|Incorrect integer"):
        settle(store, worker, first, bad, third)

    assert everything(store) == before


def test_what_a_database_noted_at_the_claim_makes_no_difference_to_what_is_written(store, worker):
    """That of one run is lost; that of another is out of date, for its progress was written."""
    store.insert([asked(queue="other", priority=3) for _ in range(5)])
    taken = claim(store, worker)
    store.note_progress(worker, [(taken[0].run_id, 1, Progress(1, 2))])
    lost = evolve(taken[2], row=())

    for some in (taken[:2], [lost, taken[3]], taken[4:]):
        assert settle(store, worker, *(outcome(each, pid=7, ended=2.0) for each in some)) == []
    written = everything(store)

    assert written["jobreg_live"] == []
    for table in ("jobreg_runs", "jobreg_attempts"):
        left_out = ("seq", "run_id", "progress", "created_at", "started_at", "finished_at")
        alike = {
            tuple((name, value) for name, value in row.items() if name not in left_out)
            for row in written[table]
        }
        assert len(alike) == 1
    assert store.get(taken[0].run_id).progress == Progress(1, 2)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_what_sqlite_noted_at_the_claim_it_does_not_look_up_again(store, worker):
    store.insert([asked() for _ in range(9)])
    taken, said = claim(store, worker), said_to_sqlite(store)

    assert settle(store, worker, *map(outcome, taken)) == []

    # What time it is, for the rows that are made, is asked before others are kept waiting.
    each = [word for word, _ in groupby(words.split()[0] for words in said)]
    assert each == ["SELECT", "BEGIN", "DELETE", "UPDATE", "INSERT", "COMMIT"]
    assert "FROM" not in said[0]


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_one_run_that_settled_itself_has_no_other_looked_up(store, worker):
    store.insert([asked() for _ in range(9)])
    taken = claim(store, worker)
    settle(store, worker, outcome(taken[4]))
    said = said_to_sqlite(store)
    event.listen(store.engine, "before_cursor_execute", lambda *told: said.append(told[2]))

    assert settle(store, worker, *map(outcome, taken)) == []

    assert states(store) == {"succeeded": 9}
    # The second transaction writes all but that one, as the first would have written them all.
    written = [words.split()[0] for words in said if words.split()[0] in ("UPDATE", "INSERT")]
    assert written == ["UPDATE", "INSERT"]


def test_nothing_to_settle_is_no_work(store, worker):
    assert settle(store, worker) == []


def test_progress_is_shown_while_a_run_goes_on_and_kept_when_it_is_over(store, worker):
    run = add(store)
    taken = claim_one(store, worker)
    half = Progress(1, 2, "half")

    store.note_progress(worker, [(taken.run_id, taken.attempt, half)])
    meanwhile = store.get(run.run_id).progress
    settle(store, worker, outcome(taken))

    assert meanwhile == half
    assert store.get(run.run_id).progress == half


@pytest.mark.parametrize("plant", ["attempt", "worker", "final"])
def test_progress_of_a_superseded_attempt_changes_nothing(store, worker, plant):
    add(store)
    taken = claim_one(store, worker)
    author, number = worker, taken.attempt
    if plant == "attempt":
        number += 1
    if plant == "worker":
        author = add_worker(store)
    if plant == "final":
        settle(store, worker, outcome(taken))
    before = everything(store)

    store.note_progress(author, [(taken.run_id, number, Progress(9))])

    assert everything(store) == before


class NoControl:
    """A run that nobody interrupts."""

    interrupt = None
    stopping = False

    def begin(self):
        pass

    def end(self):
        pass


def test_no_column_but_tracebacks_holds_a_module_or_function_name(
    store, worker, fake_plugins, monkeypatch
):
    module, function = "zebra_internals", "okapi_secretly"
    (fake_plugins.path / f"{module}.py").write_text(
        f"class QuaggaError(Exception): ...\n"
        f"def {function}():\n    raise QuaggaError('the file is empty')\n"
    )
    monkeypatch.syspath_prepend(str(fake_plugins.path))
    run = add(store)
    ready = evolve(claim_one(store, worker), target=f"{module}:{function}")

    raw = execute(ready, NoControl(), lambda _: None, max_result=1000, max_error=10_000)
    settle(store, worker, decide(ready, raw, lambda: 0.0))
    sys.modules.pop(module)

    stored = store.get(run.run_id)
    assert (stored.state, stored.error.type) == (State.FAILED, "QuaggaError")
    assert module in stored.error.traceback
    assert function in stored.error.traceback
    told = [
        (table, column, value)
        for table, rows in everything(store).items()
        for row in rows
        for column, value in row.items()
        if column != "error_traceback" and isinstance(value, str)
    ]
    assert len(told) > 20
    assert [each for each in told if module in each[2] or function in each[2]] == []
    assert [each for each in told if ready.target in each[2]] == []


def test_many_failures_with_long_errors_are_settled_together(store, worker):
    store.insert([asked() for _ in range(200)])
    long = ErrorReport("ValueError", "x" * 60_000, "y" * 60_000)
    held = claim(store, worker, offer(most=200))

    refused = settle(store, worker, *(outcome(each, Ending.ERROR, error=long) for each in held))

    assert (refused, states(store)) == ([], {"failed": 200})
