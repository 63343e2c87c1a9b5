"""Many processes on one store, as fast as they can: nothing twice, nothing lost, no error seen.

``pytest -m slow tests/store/test_hammer.py`` is the long form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from clean_copies import clean
from store_hands import add_worker, asked, claim, everything, offer, outcome, settle, states

from jobreg import clock
from jobreg.lifecycle import State
from jobreg.selection import Selection
from jobreg.store import Store, open_store

PROCESSES = 8
RUNS = 10_000
Work = Callable[[Store, str, float], Any]


def drain(store: Store, worker: str, seconds: float) -> list[tuple[str, int]]:
    """Claim and settle until nothing is left; every (run id, attempt) that was ours."""
    mine = []
    while taken := claim(store, worker, offer(most=50)):
        mine += [(each.run_id, each.attempt) for each in taken]
        assert settle(store, worker, *(outcome(each) for each in taken)) == []
    return mine


def everything_at_once(store: Store, worker: str, seconds: float) -> Counter[str]:
    """Submit, claim, settle and find for so long; how often each was done."""
    ends, done = clock.seconds() + seconds, Counter[str]()
    while clock.seconds() < ends:
        store.insert([asked() for _ in range(3)])
        taken = claim(store, worker, offer(most=4)) or []
        assert settle(store, worker, *(outcome(each) for each in taken)) == []
        store.find(Selection(state=State.QUEUED), most=20)
        done += Counter(submitted=3, settled=len(taken), rounds=1)
    return done


def _one_of_them(
    url: str, worker: str, start: Any, answers: Any, work: Work, seconds: float
) -> None:
    try:
        store = open_store(url)
        start.wait(60)
        answers.put(work(store, worker, seconds))
    except BaseException as error:
        answers.put(f"{type(error).__name__}: {error}")


def by_processes(store: Store, work: Work, seconds: float = 0.0) -> list[Any]:
    """What each of the processes answers that do the work at one time, each as a worker."""
    start, answers = clean.Barrier(PROCESSES), clean.Queue()
    workers = [add_worker(store, lease=3600.0) for _ in range(PROCESSES)]
    started = [
        clean.Process(
            target=_one_of_them, args=(store.full_url, worker, start, answers, work, seconds)
        )
        for worker in workers
    ]
    for process in started:
        process.start()
    told = [answers.get(timeout=seconds + 240) for _ in started]
    for process in started:
        process.join(60)
    return told


def test_eight_processes_claim_ten_thousand_runs_and_none_twice(store):
    for _ in range(10):
        store.insert([asked() for _ in range(RUNS // 10)])

    told = by_processes(store, drain)

    assert [each for each in told if isinstance(each, str)] == []
    claimed = Counter(each for mine in told for each in mine)
    assert len(claimed) == RUNS
    assert set(claimed.values()) == {1}
    assert {attempt for _, attempt in claimed} == {1}
    assert states(store) == {"succeeded": RUNS}
    assert len(everything(store)["jobreg_attempts"]) == RUNS
    # One process alone would prove nothing.
    assert sum(1 for mine in told if mine) > 1


def hammer(store: Store, seconds: float) -> None:
    told = by_processes(store, everything_at_once, seconds)

    assert [each for each in told if isinstance(each, str)] == []
    done = sum(told, Counter[str]())
    found = states(store)
    assert all(each["rounds"] > 0 for each in told)
    assert found.get("running") is None
    assert found["succeeded"] == done["settled"]
    assert sum(found.values()) == done["submitted"]
    print(f"{PROCESSES} processes, {seconds:g} s on {store.engine.dialect.name}: {dict(done)}")


def test_no_caller_sees_a_locked_file(sqlite_store):
    hammer(sqlite_store, 10.0)


@pytest.mark.slow
def test_a_minute_of_everything_at_once(store):
    hammer(store, 60.0)
