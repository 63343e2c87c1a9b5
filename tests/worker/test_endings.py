"""What a job may ask for of its own run, and runs that are too old: through a real worker."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from jobreg import Client, RunCancelled, RunFailed
from jobreg.lifecycle import Ending, State


@pytest.mark.parametrize(("what", "tries"), [("retry", 1), ("snooze", 0)])
def test_a_job_asks_to_be_run_again(
    client: Client, start_worker: Any, what: str, tries: int
) -> None:
    start_worker()

    run = client.submit("hostile.asks_for", {"what": what, "seconds": 0.05})

    assert run.result(20) == 2
    first, _ = run.attempts()
    assert (first.outcome, run.record.tries) == (Ending.ERROR if tries else Ending.SNOOZED, tries)
    assert first.error is not None
    assert first.error.message == ("busy" if tries else "not yet")


def test_a_snoozed_run_is_scheduled_and_says_so(client: Client, start_worker: Any) -> None:
    start_worker(until_idle=True)._thread.join(20)
    run = client.submit("hostile.asks_for", {"what": "snooze", "seconds": "1h"})
    start_worker(until_idle=True)._thread.join(20)

    record = run.refresh().record
    assert (record.state, record.tries) == (State.SCHEDULED, 0)
    assert record.scheduled_at is not None
    assert record.created_at is not None
    assert 3590 < (record.scheduled_at - record.created_at).total_seconds() < 3700


def test_a_snooze_is_for_runs_that_are_to_start_once_too(client: Client, start_worker: Any) -> None:
    start_worker()

    run = client.submit(
        "hostile.asks_for", {"what": "snooze", "seconds": 0}, max_attempts=1, max_crashes=1
    )

    assert run.result(20) == 2


def test_a_job_cancels_its_own_run(client: Client, start_worker: Any) -> None:
    start_worker()

    run = client.submit("hostile.asks_for", {"what": "cancel"})

    with pytest.raises(RunCancelled):
        run.result(20)
    assert (run.reason, run.error and run.error.message) == ("job", "pointless")


@pytest.mark.parametrize(
    ("params", "told"), [({"what": "nonsense"}, "a while"), ({"what": "snooze"}, "None")]
)
def test_a_wait_that_is_none_is_an_error_of_the_job(
    client: Client, start_worker: Any, params: dict[str, Any], told: str
) -> None:
    start_worker()

    run = client.submit("hostile.asks_for", {"seconds": None, **params}, max_attempts=1)

    with pytest.raises(RunFailed, match=f"after: '{told}' is not a duration"):
        run.result(20)


@pytest.mark.parametrize("by", ["job", "submitter"])
def test_a_run_that_was_due_for_too_long_is_failed_and_never_started(
    client: Client, start_worker: Any, by: str
) -> None:
    name, options = ("fresh_only", {}) if by == "job" else ("echo", {"max_age": "1s"})
    params = {} if by == "job" else {"value": 1}
    old, new = (client.submit(f"hostile.{name}", params, **options) for _ in range(2))  # type: ignore[arg-type]
    with client.store.writing() as connection:
        connection.execute(
            text("UPDATE jobreg_runs SET scheduled_at = scheduled_at - 5000000 WHERE run_id = :id"),
            {"id": old.id},
        )

    start_worker()

    with pytest.raises(RunFailed, match="max_age is 1 s") as failed:
        old.result(20)
    assert failed.value.reason == "expired"
    assert old.attempts() == []
    assert new.wait(20).state in (State.SUCCEEDED, State.FAILED)
    again = old.retry()
    assert again.wait(20).state is State.SUCCEEDED


def test_max_age_is_kept_and_shown(client: Client) -> None:
    run = client.submit("hostile.echo", {"value": 1}, max_age="2h")

    assert client.get(run.id).record.max_age == 7200.0
