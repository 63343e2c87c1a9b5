"""The database's clock is stepped an hour: no live worker is robbed, no dead one is stranded."""

from __future__ import annotations

from pathlib import Path

import pytest
from store_hands import Clock, add, add_worker, claim_one

from jobreg import settings
from jobreg.lifecycle import State
from jobreg.store import Store, open_store
from jobreg.worker import upkeep
from jobreg.worker.host import Host

LEASE = 30.0
HOUR = 3600.0


class Rescuer:
    """The upkeep of another worker, on a process clock in the hands of the test."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(upkeep.clock, "seconds", lambda: self.now)
        self.worker_id = add_worker(store)
        chosen = settings.load(store=store.full_url)
        self.upkeep = upkeep.Upkeep(store, chosen, Host.here())

    def sweep_after(self, seconds: float) -> bool:
        self.now += seconds
        return self.upkeep.sweep(self.worker_id)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"sqlite:///{tmp_path}/jobs.db")


@pytest.fixture
def held(store: Store) -> tuple[str, str]:
    """A worker on another host, and the run it holds."""
    run, worker = add(store), add_worker(store, lease=LEASE)
    claim_one(store, worker)
    return worker, run.run_id


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forward", "back"])
def test_a_live_worker_keeps_its_runs_through_a_step(
    store: Store, held: tuple[str, str], monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    clock, (worker, run_id) = Clock(store), held
    store.beat(worker, LEASE, "[]")
    rescuer = Rescuer(store, monkeypatch)
    assert not rescuer.sweep_after(0)

    clock.set(step)
    taken = []
    for _ in range(12):  # it beats every third of a lease, as it always does
        taken.append(rescuer.sweep_after(LEASE / 3))
        assert store.beat(worker, LEASE, "[]")

    assert not any(taken)
    assert (store.get(run_id).state, store.get(run_id).attempt) == (State.RUNNING, 1)


@pytest.mark.parametrize(
    ("step", "within"), [(HOUR, LEASE * 2 / 3), (-HOUR, LEASE * 2), (0.0, LEASE * 2)]
)
def test_the_runs_of_a_dead_worker_are_taken_back_whatever_the_clock_says(
    store: Store, held: tuple[str, str], monkeypatch: pytest.MonkeyPatch, step: float,
    within: float,
) -> None:  # fmt: skip
    clock, (worker, run_id) = Clock(store), held
    clock.set(0)
    store.beat(worker, LEASE, "[]")
    rescuer = Rescuer(store, monkeypatch)
    rescuer.sweep_after(0)

    clock.set(step)

    assert not rescuer.sweep_after(within - 1)
    assert rescuer.sweep_after(1)
    assert store.get(run_id).state is State.QUEUED
