"""What follows from an outcome: state, reason, wait and counters, for every ending."""

from __future__ import annotations

import pytest
from attrs import evolve

from jobreg import Backoff
from jobreg.lifecycle import (
    Claim,
    Ending,
    ErrorReport,
    Outcome,
    Reason,
    State,
    crash_wait,
    decide,
    decide_lost,
)
from jobreg.options import JobOptions

RUN_ID = "0193a6c0-0000-7000-8000-000000000001"
ONCE = JobOptions(max_attempts=1, max_crashes=1)
THREE_TRIES = JobOptions(max_attempts=3, backoff=Backoff(first=8, factor=2, longest=100))


def decided(ending, options=None, *, tries=0, crashes=0, unread=False, chance=0.5, **said):
    """What decide() makes of an outcome, as (state, reason, delay, tries, crashes)."""
    claim = Claim(
        run_id=RUN_ID, job_name="a.job", params="{}", attempt=1, tries=tries, crashes=crashes,
        options=options or JobOptions(), unread=unread,
    )  # fmt: skip
    outcome = decide(
        claim, Outcome(run_id=RUN_ID, attempt=1, ending=ending, **said), lambda: chance
    )
    return outcome.state, outcome.reason, outcome.delay, outcome.tries, outcome.crashes


def lost(*, tries=0, crashes=0, try_limit=1, crash_limit=3, alone):
    return decide_lost(
        run_id=RUN_ID, attempt=4, tries=tries, crashes=crashes, try_limit=try_limit,
        crash_limit=crash_limit, alone=alone,
    )  # fmt: skip


@pytest.mark.parametrize("options", [JobOptions(), THREE_TRIES, ONCE], ids=["default", "3", "once"])
def test_a_success_is_final_and_counts_nothing(options):
    assert decided(Ending.SUCCEEDED, options, tries=2, crashes=1) == (
        State.SUCCEEDED, None, 0.0, 2, 1,
    )  # fmt: skip


@pytest.mark.parametrize("options", [JobOptions(), THREE_TRIES, ONCE], ids=["default", "3", "once"])
def test_a_cancelled_attempt_ends_the_run_because_it_was_asked_for(options):
    assert decided(Ending.CANCELLED, options, tries=2, crashes=1) == (
        State.CANCELLED, Reason.ASKED, 0.0, 2, 1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ending", "reason"), [(Ending.ERROR, Reason.ERROR), (Ending.TIMEOUT, Reason.TIMEOUT)]
)
@pytest.mark.parametrize(
    ("tries", "state", "delay"),
    [
        (0, State.SCHEDULED, 4.0),  # half of 8 s
        (1, State.SCHEDULED, 8.0),  # half of 16 s
        (2, State.FAILED, 0.0),
        (7, State.FAILED, 0.0),
    ],
)
def test_an_error_or_timeout_waits_longer_each_try_until_the_tries_are_used_up(
    ending, reason, tries, state, delay
):
    expected = state, reason if state.final else None, delay, tries + 1, 1

    assert decided(ending, THREE_TRIES, tries=tries, crashes=1) == expected


@pytest.mark.parametrize("ending", [Ending.ERROR, Ending.TIMEOUT])
def test_by_default_the_first_error_is_the_last(ending):
    state, reason, *_ = decided(ending)

    assert (state, reason) == (State.FAILED, Reason(ending.value))


def test_an_error_that_is_not_worth_another_try_fails_the_run_at_once():
    assert decided(Ending.ERROR, THREE_TRIES, retryable=False) == (
        State.FAILED, Reason.ERROR, 0.0, 1, 0,
    )  # fmt: skip


def test_refused_parameters_fail_the_run_as_refused():
    told = decided(Ending.ERROR, THREE_TRIES, retryable=False, reason=Reason.REFUSED)

    assert told == (State.FAILED, Reason.REFUSED, 0.0, 1, 0)


@pytest.mark.parametrize(
    ("crashes", "max_crashes", "expected"),
    [
        (0, 4, (State.QUEUED, None, 0.0, 2, 1)),
        (1, 4, (State.SCHEDULED, None, 5.0, 2, 2)),
        (2, 4, (State.SCHEDULED, None, 10.0, 2, 3)),
        (3, 4, (State.FAILED, Reason.CRASHED, 0.0, 2, 4)),
        (0, 1, (State.FAILED, Reason.CRASHED, 0.0, 2, 1)),
    ],
)
def test_crashes_are_counted_apart_from_tries(crashes, max_crashes, expected):
    options = JobOptions(max_attempts=3, max_crashes=max_crashes)

    assert decided(Ending.CRASHED, options, tries=2, crashes=crashes) == expected


@pytest.mark.parametrize("ending", [Ending.RELEASED, Ending.LOST])
@pytest.mark.parametrize("started", [None, 5.0])
def test_a_release_is_queued_again_uncounted(ending, started):
    told = decided(ending, THREE_TRIES, tries=2, crashes=1, started=started)

    assert told == (State.QUEUED, None, 0.0, 2, 1)


def test_an_at_most_once_run_that_began_is_failed_instead_of_released():
    told = decided(Ending.RELEASED, ONCE, started=5.0)

    assert told == (State.FAILED, Reason.CRASHED, 0.0, 0, 1)


def test_an_at_most_once_run_that_never_began_may_be_released():
    assert decided(Ending.RELEASED, ONCE, started=None)[0] is State.QUEUED


@pytest.mark.parametrize("options", [JobOptions(max_attempts=1), JobOptions(max_crashes=1)])
def test_one_limit_of_one_alone_does_not_mean_at_most_once(options):
    options = options.override(max_attempts=2) if options.max_crashes == 1 else options

    assert decided(Ending.RELEASED, options, started=5.0)[0] is State.QUEUED


@pytest.mark.parametrize("ending", list(Ending))
def test_every_ending_leads_to_a_state_and_only_failures_and_cancels_have_a_reason(ending):
    for options in (JobOptions(), THREE_TRIES, ONCE):
        state, reason, delay, *_ = decided(ending, options, started=1.0)

        assert (reason is not None) == (state in (State.FAILED, State.CANCELLED))
        assert (delay > 0) == (state is State.SCHEDULED)
        assert state is not State.RUNNING


def test_deciding_keeps_what_the_outcome_says():
    error = ErrorReport("ValueError", "no", "Traceback ...")
    claim = Claim(run_id=RUN_ID, job_name="a.job", params="{}", attempt=3)
    said = Outcome(run_id=RUN_ID, attempt=3, ending=Ending.ERROR, error=error, exit_signal=9, pid=7)

    outcome = decide(claim, said, lambda: 0.0)

    assert (outcome.error, outcome.exit_signal, outcome.pid) == (error, 9, 7)
    assert (outcome.run_id, outcome.attempt, outcome.ending) == (RUN_ID, 3, Ending.ERROR)


@pytest.mark.parametrize(
    ("crashes", "wait"),
    [(0, 0), (1, 0), (2, 5), (3, 10), (4, 20), (7, 160), (8, 300), (9, 300), (10_000, 300)],
)
def test_a_crashed_run_waits_not_at_first_then_5_s_doubling_to_5_min(crashes, wait):
    assert crash_wait(crashes) == wait


@pytest.mark.parametrize(
    ("crashes", "state", "reason", "delay"),
    [
        (0, State.QUEUED, None, 0.0),
        (1, State.SCHEDULED, None, 5.0),
        (2, State.FAILED, Reason.CRASHED, 0.0),
    ],
)
def test_the_only_run_of_a_lost_worker_is_charged_with_the_crash(crashes, state, reason, delay):
    outcome = lost(tries=2, crashes=crashes, alone=True)

    assert (outcome.state, outcome.reason, outcome.delay) == (state, reason, delay)
    assert (outcome.ending, outcome.tries, outcome.crashes) == (Ending.CRASHED, 2, crashes + 1)


@pytest.mark.parametrize("crashes", [0, 2, 9])
def test_of_several_runs_of_a_lost_worker_none_is_charged(crashes):
    outcome = lost(tries=2, crashes=crashes, alone=False)

    assert (outcome.state, outcome.reason, outcome.delay) == (State.QUEUED, None, 0.0)
    assert (outcome.ending, outcome.tries, outcome.crashes) == (Ending.LOST, 2, crashes)


@pytest.mark.parametrize("alone", [True, False])
def test_a_lost_at_most_once_run_is_failed_as_crashed(alone):
    outcome = lost(try_limit=1, crash_limit=1, alone=alone)

    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.CRASHED)
    assert (outcome.ending, outcome.crashes) == (Ending.CRASHED, 1)


@pytest.mark.parametrize(("try_limit", "crash_limit"), [(2, 1), (1, 2), (1, None), (None, 1)])
def test_a_lost_run_is_at_most_once_only_where_both_limits_are_one(try_limit, crash_limit):
    outcome = lost(try_limit=try_limit, crash_limit=crash_limit, alone=False)

    assert outcome.state is State.QUEUED


def test_a_lost_run_whose_job_was_never_known_has_the_default_crash_limit():
    before = JobOptions().max_crashes - 1

    assert lost(try_limit=None, crash_limit=None, crashes=before - 1, alone=True).state is (
        State.SCHEDULED
    )
    assert lost(try_limit=None, crash_limit=None, crashes=before, alone=True).state is State.FAILED


def test_a_lost_run_says_so_in_its_error():
    outcome = lost(alone=True)

    assert outcome.error == ErrorReport("WorkerLost", "The worker that ran this was lost.")
    assert (outcome.run_id, outcome.attempt) == (RUN_ID, 4)


@pytest.mark.parametrize("state", list(State))
def test_exactly_three_states_are_final(state):
    assert state.final == (state in ("succeeded", "failed", "cancelled"))


def test_a_snooze_waits_as_long_as_the_job_said_and_counts_nothing():
    assert decided(Ending.SNOOZED, THREE_TRIES, tries=1, crashes=1, after=90.0) == (
        State.SCHEDULED, None, 90.0, 1, 1,
    )  # fmt: skip
    assert decided(Ending.SNOOZED, ONCE, after=0.0)[:3] == (State.QUEUED, None, 0.0)


def test_the_wait_that_a_job_asks_for_stands_before_every_backoff():
    rule = Backoff(first=40, kind="fixed")

    assert decided(Ending.ERROR, THREE_TRIES, after=7.0, backoff=rule)[2] == 7.0
    assert decided(Ending.ERROR, THREE_TRIES, backoff=rule)[2] == 20.0
    assert decided(Ending.ERROR, THREE_TRIES, tries=2, after=7.0)[:2] == (
        State.FAILED, Reason.ERROR,
    )  # fmt: skip


def test_a_job_cancels_its_own_run_with_a_reason_of_its_own():
    assert decided(Ending.CANCELLED, THREE_TRIES, reason=Reason.JOB)[:2] == (
        State.CANCELLED, Reason.JOB,
    )  # fmt: skip


def test_a_claim_that_is_too_old_is_failed_and_nothing_is_counted():
    assert decided(Ending.RELEASED, THREE_TRIES, tries=1, reason=Reason.EXPIRED) == (
        State.FAILED, Reason.EXPIRED, 0.0, 1, 0,
    )  # fmt: skip


@pytest.mark.parametrize(("age", "expired"), [(59.9, False), (60.0, False), (60.1, True)])
def test_a_claim_is_too_old_beyond_its_max_age(age, expired):
    claim = Claim(
        run_id=RUN_ID, job_name="a.job", params="{}", attempt=1, age=age,
        options=JobOptions(max_age=60),
    )  # fmt: skip

    assert claim.expired is expired
    assert not evolve(claim, options=JobOptions()).expired


def test_those_lost_with_others_are_suspects_and_those_alone_are_not():
    assert decide_lost(
        run_id=RUN_ID, attempt=1, tries=0, crashes=0, try_limit=1, crash_limit=3, alone=False
    ).suspect
    assert not decide_lost(
        run_id=RUN_ID, attempt=1, tries=0, crashes=0, try_limit=1, crash_limit=3, alone=True
    ).suspect


@pytest.mark.parametrize("options", [JobOptions(), THREE_TRIES, ONCE], ids=["default", "3", "once"])
def test_one_lost_with_its_neighbours_before_it_began_counts_nothing(options):
    assert decided(Ending.LOST, options, tries=1, crashes=0) == (State.QUEUED, None, 0.0, 1, 0)


def test_one_lost_with_its_neighbours_runs_alone_next():
    claim = Claim(run_id=RUN_ID, job_name="a.job", params="{}", attempt=1)
    lost = Outcome(run_id=RUN_ID, attempt=1, ending=Ending.LOST, started=5.0)

    decided = decide(claim, lost, lambda: 0.5)

    assert (decided.state, decided.suspect, decided.crashes) == (State.QUEUED, True, 0)


@pytest.mark.parametrize("ending", [Ending.LOST, Ending.RELEASED])
def test_at_most_once_means_not_again_whoever_ended_its_child(ending):
    assert decided(ending, ONCE, started=5.0) == (State.FAILED, Reason.CRASHED, 0.0, 0, 1)


@pytest.mark.parametrize(
    ("exit_signal", "max_crashes", "state"),
    [
        (None, 3, State.FAILED),
        (11, 3, State.FAILED),
        (9, 3, State.QUEUED),
        (None, 10, State.QUEUED),
        (9, 1, State.FAILED),
    ],
)
def test_an_import_that_ends_its_process_is_not_tried_again_unless_killed_or_asked_for(
    exit_signal, max_crashes, state
):
    options = JobOptions(max_crashes=max_crashes)

    told = decided(Ending.CRASHED, options, unread=True, exit_signal=exit_signal)

    assert told[0] is state


def test_a_run_of_an_unread_job_never_counts_as_started():
    assert decided(Ending.RELEASED, ONCE, unread=True, started=5.0)[0] is State.QUEUED
