"""Runs executed in the caller's process go the way they go in production."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from waiting import until

import jobreg
from jobreg import (
    AsyncClient,
    Backoff,
    Client,
    RunFailed,
    WaitTimeout,
    client as client_module,
    current_run,
    job,
)
from jobreg.legible import brief
from jobreg.testing import Jobs, inline, plugin, stored
from jobreg.verbs import default_client


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    with inline() as made:
        yield made


def add(jobs: Jobs, **functions: Any) -> None:
    jobs.plugin({f"fake.{name}": function for name, function in functions.items()})


def test_a_run_submitted_after_a_pause_is_executed_at_once_like_any_other(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(jobs, echo=lambda x: x)
    jobreg.submit("fake.echo", {"x": 0})
    monkeypatch.setattr(client_module, "_KEEP_KNOWN", -1.0)

    runs = [jobreg.submit("fake.echo", {"x": number}) for number in range(3)]

    assert [run.record.state for run in runs] == ["succeeded"] * 3


def test_a_job_says_of_itself_from_its_second_run_on_that_it_is_unique(jobs: Jobs) -> None:
    add(jobs, mail=job(unique=True)(lambda x: x))
    jobreg.submit("fake.mail", {"x": 0})

    first, second, other = (
        jobreg.submit("fake.mail", {"x": number}, delay="1h") for number in (1, 1, 2)
    )

    assert first.id == second.id != other.id
    default_client().store.catalogue.override("fake.mail", {"queue": "slow"})
    assert jobreg.submit("fake.mail", {"x": 3}, delay="1h").record.queue == "slow"


class Flaky:
    """A job that succeeds at the given try."""

    def __init__(self, succeeds_at: int) -> None:
        self.succeeds_at = succeeds_at
        self.tries: list[int] = []

    def job(self, **options: Any) -> Any:
        @job(**options)
        def flaky() -> int:
            self.tries.append(current_run().attempt)
            if len(self.tries) < self.succeeds_at:
                raise ValueError(f"try {len(self.tries)}")
            return len(self.tries)

        return flaky


def test_a_submit_executes_its_run_before_it_returns(jobs: Jobs) -> None:
    add(jobs, where=lambda: [os.getpid(), current_run().id])

    run = jobreg.submit("fake.where")

    assert run.state == "succeeded"
    assert run.result() == [os.getpid(), run.id]
    (attempt,) = run.attempts()
    assert (attempt.number, attempt.outcome, attempt.pid) == (1, "succeeded", os.getpid())
    assert attempt.provider == run.provider
    assert (attempt.provider and attempt.provider.dist) == "fake"


def test_params_and_results_go_through_json(jobs: Jobs) -> None:
    seen: list[Any] = []
    add(jobs, keep=lambda value: (seen.append(value), value)[1], bad=lambda: {1, 2})

    run = jobreg.submit("fake.keep", {"value": (1, [2.5, None])})

    assert seen == [[1, [2.5, None]]]
    assert run.result() == [1, [2.5, None]]
    refused = jobreg.submit("fake.bad")
    assert refused.error is not None
    assert refused.error.type == "ResultRefused"


def test_params_the_job_does_not_take_are_refused_when_it_is_executed(jobs: Jobs) -> None:
    add(jobs, one=lambda a: a)

    run = jobreg.submit("fake.one", {"b": 1})

    assert (run.state, run.reason) == ("failed", "refused")


def test_a_failing_job_fails_its_run_and_raises_where_the_result_is_asked_for(jobs: Jobs) -> None:
    add(jobs, bad=lambda: 1 // 0)

    run = jobreg.submit("fake.bad")

    with pytest.raises(RunFailed, match="division") as failed:
        run.result()
    assert (run.state, failed.value.error_type) == ("failed", "ZeroDivisionError")
    assert "lambda: 1 // 0" in failed.value.traceback


def test_the_jobs_own_exception_comes_out_where_that_is_asked_for() -> None:
    with inline(raises=True) as jobs:
        add(jobs, bad=lambda: 1 // 0)

        with pytest.raises(jobreg.ParamsRefused):
            jobreg.submit("fake.bad", {"unknown": 1})
        with pytest.raises(ZeroDivisionError):
            jobreg.submit("fake.bad")
        with pytest.raises(jobreg.BadInput):  # by now the store knows what it takes
            jobreg.submit("fake.bad", {"unknown": 1})


def test_an_exception_that_leads_to_another_try_is_not_raised() -> None:
    flaky = Flaky(succeeds_at=2)
    with inline(raises=True) as jobs:
        add(jobs, flaky=flaky.job(max_attempts=2))

        run = jobreg.submit("fake.flaky")
        jobs.clock.advance("1m")

        assert run.refresh().result() == 2


def test_every_other_run_is_executed_before_an_exception_comes_out() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == 0:
            raise KeyError(number)
        done.append(number)

    with inline(raises=True) as jobs:
        add(jobs, work=work)
        with pytest.raises(KeyError):
            jobreg.submit_many([("fake.work", {"number": number}) for number in range(3)])

        assert done == [1, 2]
        assert [run.state for run in jobs.submitted()] == ["failed", "succeeded", "succeeded"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, pytest.fail.Exception])
def test_what_ends_a_test_is_not_taken_for_the_jobs_outcome(
    jobs: Jobs, error: type[BaseException]
) -> None:
    def ends() -> None:
        raise error("over")

    add(jobs, ends=ends, leaves=lambda: exit("bye"))

    with pytest.raises(error):
        jobreg.submit("fake.ends")
    assert jobs.submitted("fake.ends")[0].state == "failed"
    assert jobreg.submit("fake.leaves").reason == "error"


def test_what_only_ends_a_task_or_a_generator_is_an_error_of_the_run(jobs: Jobs) -> None:
    async def cancels() -> None:
        task = asyncio.create_task(asyncio.sleep(9))
        task.cancel()
        await task

    def closes() -> None:
        raise GeneratorExit

    add(jobs, cancels=cancels, closes=closes)

    runs = [jobreg.submit(f"fake.{name}") for name in ("cancels", "closes")]

    assert [(run.state, run.error and run.error.type) for run in runs] == [
        ("failed", "CancelledError"),
        ("failed", "GeneratorExit"),
    ]


def test_an_error_is_tried_again_when_the_clock_has_moved(jobs: Jobs) -> None:
    flaky = Flaky(succeeds_at=3)
    add(jobs, flaky=flaky.job(max_attempts=3, backoff=Backoff(first="10s", factor=1)))

    run = jobreg.submit("fake.flaky")

    assert (run.state, flaky.tries) == ("scheduled", [1])
    jobs.clock.advance("1m")
    assert run.refresh().result() == 3
    assert [each.outcome for each in run.attempts()] == ["error", "error", "succeeded"]


def test_retries_on_the_way_are_executed_at_their_own_times(jobs: Jobs) -> None:
    times: list[datetime] = []

    @job(max_attempts=20, backoff=Backoff(first="10s", factor=2))
    def fails() -> None:
        times.append(jobs.clock.now)
        raise ValueError

    add(jobs, fails=fails)
    jobreg.submit("fake.fails")
    begun = jobs.clock.now

    jobs.clock.advance("10m")

    assert len(times) >= 4
    assert times == sorted(times)
    assert times[0] == begun < times[1]
    assert jobs.clock.now == begun + timedelta(minutes=10)


def test_a_delayed_run_waits_for_its_time(jobs: Jobs) -> None:
    add(jobs, now=lambda: str(jobs.clock.now))
    begun = jobs.clock.now
    soon = jobreg.submit("fake.now", delay="5m")
    late = jobreg.submit("fake.now", at=begun + timedelta(hours=1))

    jobs.clock.advance(299)
    assert (soon.refresh().state, late.refresh().state) == ("scheduled", "scheduled")
    jobs.clock.advance("10m")

    assert soon.refresh().result() == str(begun + timedelta(minutes=5))
    assert late.refresh().state == "scheduled"
    jobs.clock.advance("1h")
    assert late.refresh().result() == str(begun + timedelta(hours=1))


def test_time_stands_still_for_store_and_run_alike(jobs: Jobs) -> None:
    @job(timeout="30s")
    def limited() -> str:
        return str(current_run().deadline)

    add(jobs, limited=limited)
    jobs.clock.advance("1d")

    run = jobreg.submit("fake.limited")

    assert run.result() == str(jobs.clock.now + timedelta(seconds=30))
    record = run.record
    moments = (record.created_at, record.started_at, record.finished_at)
    assert moments == (jobs.clock.now,) * 3


def test_the_clock_is_near_the_real_one_at_first_and_moves_for_nobody_else(jobs: Jobs) -> None:
    before = jobreg.clock.seconds()  # type: ignore[attr-defined]

    assert abs(jobs.clock.now - datetime.now(UTC)) < timedelta(minutes=1)
    jobs.clock.advance("1d")

    assert jobreg.clock.seconds() - before < 60  # type: ignore[attr-defined]


def test_a_run_over_its_time_comes_out_so_when_it_returns(jobs: Jobs) -> None:
    seen: list[bool] = []

    @job(timeout="30s", max_attempts=2)
    def slow() -> None:
        seen.append(current_run().cancelled)
        jobs.clock.advance("31s")
        seen.append(current_run().cancelled)

    add(jobs, slow=slow)

    run = jobreg.submit("fake.slow")
    jobs.clock.advance("1h")

    assert seen == [False, True] * 2
    assert (run.refresh().state, run.reason, len(run.attempts())) == ("failed", "timeout", 2)
    assert run.error is not None
    assert "30 s" in run.error.message


def test_a_run_cancelled_while_it_runs_is_cancelled_when_it_returns(jobs: Jobs) -> None:
    def cancels_itself() -> bool:
        before = current_run().cancelled
        jobreg.get(current_run().id).cancel()
        assert (before, current_run().cancelled) == (False, True)
        return True

    add(jobs, selfish=cancels_itself)

    run = jobreg.submit("fake.selfish")

    assert (run.state, run.reason) == ("cancelled", "asked")


def test_a_run_cancelled_while_it_waits_is_never_executed(jobs: Jobs) -> None:
    done: list[int] = []
    add(jobs, work=lambda: done.append(1))
    run = jobreg.submit("fake.work", delay="1m")

    run.cancel()
    jobs.clock.advance("1h")

    assert (run.refresh().state, done) == ("cancelled", [])


def test_a_failed_run_can_be_retried_and_is_executed_at_once(jobs: Jobs) -> None:
    flaky = Flaky(succeeds_at=2)
    add(jobs, flaky=flaky.job())
    run = jobreg.submit("fake.flaky")

    again = run.retry()

    assert (again.state, again.result(), flaky.tries) == ("succeeded", 2, [1, 2])
    copy = again.retry()
    assert copy.record.retried_from == run.id
    assert copy.result() == 3


def test_what_a_job_submits_is_executed_after_it(jobs: Jobs) -> None:
    order: list[str] = []

    def outer() -> str:
        inner = jobreg.submit("fake.inner")
        order.append("outer")
        return inner.state.value

    add(jobs, outer=outer, inner=lambda: order.append("inner"))

    run = jobreg.submit("fake.outer")

    assert (run.result(), order) == ("queued", ["outer", "inner"])
    assert [each.state for each in jobs.submitted()] == ["succeeded", "succeeded"]


def test_a_job_may_wait_for_what_it_submits(jobs: Jobs) -> None:
    def factorial(n: int) -> int:
        if n == 0:
            return 1
        below: int = jobreg.submit("fake.factorial", {"n": n - 1}).result()
        return n * below

    add(jobs, factorial=factorial)

    assert jobreg.submit("fake.factorial", {"n": 6}).result() == 720


def test_a_long_chain_of_submits_needs_no_deep_stack(jobs: Jobs) -> None:
    def chain(left: int) -> None:
        if left:
            jobreg.submit("fake.chain", {"left": left - 1})

    add(jobs, chain=chain)

    jobreg.submit("fake.chain", {"left": 300})

    assert {run.state for run in jobs.submitted()} == {"succeeded"}
    assert len(jobs.submitted()) == 301


def test_jobs_that_submit_themselves_without_end_are_stopped(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobreg.testing.executor.MOST", 20)
    add(jobs, loop=lambda: jobreg.submit("fake.loop") and None)

    with pytest.raises(jobreg.JobRegError, match="without end"):
        jobreg.submit("fake.loop")


def test_a_wait_that_could_never_end_ends_at_once(jobs: Jobs) -> None:
    add(jobs, work=lambda: 1)
    run = jobreg.submit("fake.work", delay="5m")

    with pytest.raises(WaitTimeout, match=r"clock\.advance"):
        run.result()


def test_priority_and_order_are_those_of_a_worker() -> None:
    order: list[int] = []

    @job(priority=5)
    def urgent() -> None:
        order.append(9)

    with stored() as jobs:
        add(jobs, note=lambda n: order.append(n), urgent=urgent)
        for number in range(4):
            jobreg.submit("fake.note", {"n": number}, priority=number % 2)
        jobreg.submit("fake.urgent")
        jobs.run_pending()

    assert order == [9, 1, 3, 0, 2]


def test_async_jobs_run_also_where_an_event_loop_does(jobs: Jobs) -> None:
    async def waits(value: int) -> list[Any]:
        await asyncio.sleep(0)
        return [value, current_run().job_name, str(current_run().deadline)]

    add(jobs, waits=waits)

    async def main() -> Any:
        return jobreg.submit("fake.waits", {"value": 7}).result()

    expected = [7, "fake.waits", "None"]
    assert jobreg.submit("fake.waits", {"value": 7}).result() == expected
    assert asyncio.run(main()) == expected


def test_threads_may_submit_at_once_and_each_run_is_executed_once(jobs: Jobs) -> None:
    done: list[int] = []
    add(jobs, note=lambda n: done.append(n))
    threads = [
        threading.Thread(target=lambda n=n: jobreg.submit("fake.note", {"n": n}).result())
        for n in range(20)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert sorted(done) == list(range(20))
    assert not any(thread.is_alive() for thread in threads)


def test_a_thread_of_a_job_may_submit_and_the_job_may_wait_for_that_thread(jobs: Jobs) -> None:
    def outer() -> None:
        thread = threading.Thread(target=lambda: jobreg.submit("fake.inner"))
        thread.start()
        thread.join(10)
        assert not thread.is_alive()

    add(jobs, outer=outer, inner=lambda: 1)

    assert jobreg.submit("fake.outer").result() is None
    assert [run.state for run in jobs.submitted()] == ["succeeded", "succeeded"]


def test_every_client_without_a_store_of_its_own_takes_the_fresh_one(jobs: Jobs) -> None:
    add(jobs, work=lambda: 1)

    runs = [each.submit("fake.work") for each in (Client(), default_client(), jobs.client)]

    assert [run.state for run in runs] == ["succeeded"] * 3
    assert len(list(jobreg.find())) == 3
    assert os.environ["JOBREG_STORE"] == jobs.client.settings.store


def test_afterwards_everything_is_as_before(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBREG_STORE", str(tmp_path / "mine.db"))
    mine = default_client()

    with inline(), inline() as inner:
        add(inner, work=lambda: 1)
        folder = os.environ["JOBREG_STORE"].removeprefix("sqlite:///")
        jobreg.submit("fake.work")

    assert default_client() is mine
    assert not os.path.exists(folder)
    assert os.environ["JOBREG_STORE"] == str(tmp_path / "mine.db")
    assert "fake.work" not in jobreg.default_registry().names()
    assert list(jobreg.find()) == []


def test_each_block_begins_with_an_empty_store() -> None:
    for _ in range(2):
        with inline() as jobs:
            add(jobs, work=lambda: 1)
            jobreg.submit("fake.work")
            assert len(jobs.submitted()) == 1


def test_stored_runs_wait_until_they_are_asked_for() -> None:
    done: list[int] = []

    with stored() as jobs:
        add(jobs, note=lambda n: done.append(n), other=lambda: done.append(-1))
        runs = [jobreg.submit("fake.note", {"n": n}, priority=n) for n in range(3)]
        jobreg.submit("fake.other")
        late = jobreg.submit("fake.note", {"n": 9}, delay="1h")

        with pytest.raises(WaitTimeout, match="run_pending"):
            runs[0].result()
        assert done == []
        assert [run.id for run in jobs.run_pending("fake.note", limit=2)] == [
            runs[2].id,
            runs[1].id,
        ]
        assert done == [2, 1]
        jobs.clock.advance("59m")
        assert len(jobs.run_pending()) == 2
        assert late.refresh().state == "scheduled"
        assert [run.id for run in jobs.run_pending(scheduled=True)] == [late.id]
        assert done == [2, 1, 0, -1, 9]
        assert jobs.run_pending() == []


def test_run_pending_sees_retries_through_to_the_end() -> None:
    flaky = Flaky(succeeds_at=4)

    with stored() as jobs:
        add(jobs, flaky=flaky.job(max_attempts=9))
        run = jobreg.submit("fake.flaky")

        (ran,) = jobs.run_pending(scheduled=True)

    assert (ran.id, ran.state, ran.record.attempt) == (run.id, "succeeded", 4)


def test_inline_may_be_turned_off_and_on(jobs: Jobs) -> None:
    add(jobs, work=lambda: 1)
    jobs.inline = False
    run = jobreg.submit("fake.work")
    assert run.state == "queued"

    jobs.inline = True
    other = jobreg.submit("fake.work")

    assert (run.refresh().state, other.state) == ("succeeded", "succeeded")


def test_a_real_worker_can_run_what_is_stored(fake_plugins: Any) -> None:
    source = {"for_child.py": "import os\ndef where(): return os.getpid()\n"}
    with stored(), plugin({"child.where": "for_child:where"}, modules=source):
        run = jobreg.submit("child.where")
        with jobreg.Worker(concurrency=1):
            assert run.result(30) != os.getpid()


def test_a_cap_on_a_job_holds_for_jobs_that_wait_for_each_other(jobs: Jobs) -> None:
    @job(concurrency=1)
    def alone(again: bool) -> None:
        if again:
            jobreg.submit("fake.alone", {"again": False}).result()

    add(jobs, alone=alone)

    run = jobreg.submit("fake.alone", {"again": True})

    assert run.error is not None
    assert run.error.type == "WaitTimeout"


def test_a_store_that_others_write_to_is_waited_on(jobs: Jobs) -> None:
    go = threading.Event()
    add(jobs, slow=lambda: go.wait(20))
    thread = threading.Thread(target=lambda: jobreg.submit("fake.slow"))
    thread.start()
    run = until(jobs.submitted)[0]

    begun = time.monotonic()
    with pytest.raises(WaitTimeout, match="it goes on"):
        run.wait(timeout=0.1)
    go.set()

    assert run.result(timeout=20) is True
    assert time.monotonic() - begun < 15
    thread.join(20)


def test_a_run_that_was_due_for_too_long_is_not_begun() -> None:
    ran: list[int] = []

    @job(max_age="1m")
    def late() -> None:
        ran.append(1)

    with stored() as kept:
        kept.plugin({"fake.late": late})
        run = jobreg.submit("fake.late")
        kept.clock.advance("2m")
        kept.run_pending()

        assert (run.refresh().state, run.reason, ran) == ("failed", "expired", [])


def test_an_asyncio_wait_for_a_run_that_is_over_ends_at_once(jobs: Jobs) -> None:
    add(jobs, echo=lambda value: value, raises=lambda: 1 / 0)

    async def main() -> list[object]:
        async with AsyncClient() as client:
            done = await client.submit("fake.echo", {"value": 7})
            failed = await client.submit("fake.raises")
            return await asyncio.gather(done.result(), failed.result(), return_exceptions=True)

    value, error = asyncio.run(main())

    assert value == 7
    assert isinstance(error, RunFailed)


def test_an_asyncio_wait_that_would_never_end_says_so_as_any_other(jobs: Jobs) -> None:
    add(jobs, echo=lambda: 1)

    async def wait(timeout: str | None) -> None:
        async with AsyncClient() as client:
            run = await client.submit("fake.echo", delay="1h")
            await run.wait(timeout)

    for timeout in (None, "30s"):
        with pytest.raises(WaitTimeout, match="would never end"):
            asyncio.run(wait(timeout))


@pytest.mark.parametrize(
    "done", [10**400, 10**5000, float("nan"), float("inf"), -1, True, "1"], ids=brief
)
def test_progress_that_is_no_amount_is_refused(jobs: Jobs, done: Any) -> None:
    add(jobs, says=lambda: current_run().progress(done))

    run = jobreg.submit("fake.says")

    assert run.error is not None
    assert run.error.type == "BadInput"
    assert run.error.message.endswith("is not a finite number of at least 0.")
