"""A fresh store for each test, of every database there is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_hands import Clock, add_worker

from jobreg.store import Store, open_store


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(prepared: Path, tmp_path: Path) -> Iterator[Store]:
    """A store on SQLite, for what only SQLite can be asked."""
    shutil.copy(prepared, tmp_path / "only.db")
    opened = open_store(f"sqlite:///{tmp_path / 'only.db'}")
    yield opened
    opened.close()


@pytest.fixture
def clock(store: Store) -> Clock:
    return Clock(store)


@pytest.fixture
def worker(store: Store) -> str:
    """The id of a live worker that provides reports.render and serves all queues."""
    return add_worker(store)
