"""When the schedule gives a worker cause to look for something to claim, and when it does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from store_hands import Clock, add, states

from jobreg import settings
from jobreg.store import Store, open_store
from jobreg.worker import upkeep
from jobreg.worker.host import Host

WORKER_ID = "01a00000-0000-7000-8000-00000000000c"


class Watcher:
    """The upkeep of a worker, on a process clock that goes with the database's."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self._clock, self._now = Clock(store), 0.0
        monkeypatch.setattr(upkeep.clock, "seconds", lambda: 1_000.0 + self._now)
        self.upkeep = upkeep.Upkeep(store, settings.load(store=store.full_url), Host.here())

    def at(self, seconds: float) -> bool:
        """Do what is due then; is there cause to look?"""
        self._now = seconds
        self._clock.set(seconds)
        return self.upkeep.run(WORKER_ID)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    made = open_store(store_url)
    yield made
    made.close()


@pytest.fixture
def watcher(store: Store, monkeypatch: pytest.MonkeyPatch) -> Watcher:
    return Watcher(store, monkeypatch)


def test_where_nothing_is_due_there_is_no_cause_to_look(store, watcher):
    add(store, delay=60.0)

    assert [watcher.at(seconds) for seconds in (0, 11, 22, 33, 44)] == [False] * 5


def test_what_is_due_is_queued_and_looked_for(store, watcher):
    add(store, delay=7.0)
    watcher.at(0)

    assert watcher.upkeep.due_at == 1_000.0 + min(7.0, 2.5)
    assert [watcher.at(seconds) for seconds in (6.9, 7.0, 7.1)] == [False, True, False]
    assert states(store) == {"queued": 1}


def test_what_was_not_known_of_is_looked_for_once_it_is_found(store, watcher):
    watcher.at(0)
    add(store, delay=1.0)
    watcher.upkeep.look_for_due()

    assert watcher.at(1.5)
    assert states(store) == {"queued": 1}


def test_what_another_worker_queued_in_time_is_looked_for(store, watcher):
    add(store, delay=7.0)
    watcher.at(0)
    Clock(store).set(7.0)
    store.stage_due()

    assert watcher.at(7.0)
