"""The first submits of a process, made by the driver alone, store what ``Store.insert`` stores."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobreg import Client, Conflict, Registry, StoreUnavailable
from jobreg.lifecycle import RunRecord
from jobreg.request import new_run_id
from jobreg.store import (
    Store,
    direct,
    open_store,
    sqlite,
)
from jobreg.store.version import VERSION_TABLE


def as_it_is(run: RunRecord) -> direct.Prepare:
    """Take it, whatever is known of its job."""
    return lambda _: run


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'jobs of all.db'}"
    open_store(url).close()
    return url


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"params": '{"x":"é \\u0000"}', "tags": ("a", "b"), "timeout": 1.5},
        {"queue": "mail", "priority": 7, "max_attempts": 2, "max_crashes": 1},
        {"delay": 90.0},
        {"scheduled_at": datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)},
        {"scheduled_at": datetime(2001, 1, 1, tzinfo=UTC)},
    ],
)
def test_it_stores_what_the_store_would(url: str, asked: dict[str, Any]) -> None:
    one, other = (RunRecord(run_id=new_run_id(), job_name="a.b", **asked) for _ in range(2))
    store = open_store(url)

    by_driver = direct.insert(url, "normal", one, as_it_is(one))
    by_store = store.insert([other])[0]

    assert by_driver is not None
    assert store.get(one.run_id) == by_driver
    rows = [_rows(store, run.run_id) for run in (one, other)]
    assert rows[0] == rows[1]
    assert by_driver.state == by_store.state
    assert by_driver.created_at is not None
    assert by_driver.scheduled_at is not None


def _rows(store: Store, run_id: str) -> list[dict[str, Any]]:
    """Both rows of a run, without what two runs cannot share."""
    told = []
    with closing(sqlite3.connect(store.engine.url.database or "")) as connection:
        connection.row_factory = sqlite3.Row
        for table in ("jobreg_runs", "jobreg_live"):
            query = f"SELECT * FROM {table} WHERE run_id = ?"
            row = dict(connection.execute(query, (run_id,)).fetchone())
            started = row.get("created_at") or row.get("due_at")
            for name in ("scheduled_at", "due_at", "created_at"):
                if name in row and abs(row[name] - started) < 60_000_000 * 2:
                    row[name] = "near"
            told.append({key: value for key, value in row.items() if key not in {"seq", "run_id"}})
    return told


def test_what_is_not_the_plain_case_is_left_to_the_store(url: str, tmp_path: Path) -> None:
    run = RunRecord(run_id=new_run_id(), job_name="a.b")
    missing = tmp_path / "none.db"
    (tmp_path / "text.db").write_text("this is a letter to my grandmother " * 100)

    for other in (
        f"sqlite:///{missing}",
        f"sqlite:///{tmp_path}/text.db",
        f"sqlite:///{tmp_path}",
        f"{url}?timeout=5",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "postgresql://h/d",
        "nonsense",
    ):
        assert direct.insert(other, "normal", run, as_it_is(run)) is None, other
    assert not missing.exists()
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    assert direct.insert(url, "normal", run, as_it_is(run)) is None
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        assert connection.execute("SELECT count(*) FROM jobreg_runs").fetchone() == (0,)


def test_an_id_that_is_there_is_left_to_the_store_and_changes_nothing(url: str) -> None:
    run = RunRecord(run_id=new_run_id(), job_name="a.b")
    first = direct.insert(url, "normal", run, as_it_is(run))

    assert direct.insert(url, "normal", run, as_it_is(run)) is None
    assert first is not None
    assert open_store(url).insert([run]) == [first]


def test_it_waits_for_another_writer(url: str) -> None:
    run = RunRecord(run_id=new_run_id(), job_name="a.b")
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    stored: list[RunRecord | None] = []
    thread = threading.Thread(
        target=lambda: stored.append(direct.insert(url, "normal", run, as_it_is(run)))
    )

    thread.start()
    assert not stored
    other.execute("COMMIT")
    thread.join(timeout=20)
    other.close()

    assert stored[0] is not None
    assert stored[0].run_id == run.run_id


def test_a_first_submit_waits_once_for_a_lock_that_somebody_holds(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobreg.client._store_is_imported", lambda: False)
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.1)
    registry = Registry()
    registry.add("here.job", json.loads)
    client, holder = Client(store=url, registry=registry), open_store(url)
    begun = time.monotonic()

    with holder.writing(), pytest.raises(StoreUnavailable, match="database is locked"):
        client.submit("here.job")

    assert time.monotonic() - begun < 3
    holder.close()


def test_a_client_submits_alike_with_and_without_the_store_open(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry()
    registry.add("here.job", json.loads)
    monkeypatch.setattr("jobreg.client._store_is_imported", lambda: False)
    client = Client(store=url, registry=registry)

    runs = [client.submit("here.job", {"n": n}) for n in range(50)]

    assert [run.refresh().params for run in runs] == [{"n": n} for n in range(50)]
    with pytest.raises(Conflict):
        Client(store=url, registry=registry).submit("here.job", {"n": 9}, run_id=runs[0].id)
