"""A worker's lease: who keeps it, and what that must not end by."""

from __future__ import annotations

import errno
import threading
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from jobreg import Registry, StoreUnavailable, Worker, settings
from jobreg.events import listen
from jobreg.store import Store, open_store, sqlite
from jobreg.worker.guard import Guard
from jobreg.worker.leases import Lease
from jobreg.worker.outage import Outage


class Poor(Guard):
    """A guard that is to be started again, for which there is no process left."""

    def __init__(self) -> None:
        super().__init__(stale=60.0)
        self.touches = 0

    def touch(self) -> None:
        self.touches += 1
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")


def test_a_guard_that_cannot_be_started_again_is_tried_again_and_ends_nothing(
    tmp_path: Path,
) -> None:
    store, guard = open_store(f"sqlite:///{tmp_path}/jobs.db"), Poor()
    given = settings.load(lease="4s", store=store.full_url)
    overdue: list[bool] = []
    lease = Lease(
        store, given, guard, list, lambda: overdue.append(True), lambda _: False, lambda: None,
        Outage(),
    )  # fmt: skip
    lease.start()

    until(lambda: guard.touches > 3, 30, "it is tried again and again")

    assert lease.held
    assert overdue == []
    lease.close()
    store.close()


def test_a_worker_whose_guard_cannot_be_started_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Guard) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(Guard, "start", fails)
    told: list[str] = []
    stop_listening = listen(lambda name, _: told.append(name))
    worker = Worker(tmp_path / "jobs.db", registry=Registry(path=[]), concurrency=1)

    with pytest.raises(OSError, match="temporarily"):
        worker.run()

    stop_listening()
    closed: Any = worker._watch
    assert (closed._connection, closed._news) == (None, None)
    assert "worker.stopped" not in told
    assert not any(each.name.startswith("jobreg") for each in threading.enumerate())


def test_a_worker_that_could_not_be_registered_does_not_wait_to_take_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.1)
    holder = open_store(f"sqlite:///{tmp_path}/jobs.db")
    forgotten: list[str] = []
    forget = Store.forget

    def noted(self: Store, worker_id: str) -> None:
        forgotten.append(worker_id)
        forget(self, worker_id)

    monkeypatch.setattr(Store, "forget", noted)
    worker = Worker(tmp_path / "jobs.db", registry=Registry(path=[]), concurrency=1)

    with holder.writing(), pytest.raises(StoreUnavailable, match="database is locked"):
        worker.run()

    assert forgotten == []
    holder.close()
