"""A fresh store for each test, of every database there is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_hands import Clock, add_worker

from jobreg.store import Store, open_store


def _fresh_sqlite(folder: Path, prepared: Path) -> str:
    """A copy of a file whose schema is there already: migrating each time would cost seconds."""
    template = prepared / "jobs.db"
    if not template.exists():
        open_store(f"sqlite:///{template}").close()
    shutil.copy(template, folder / "jobs.db")
    return f"sqlite:///{folder / 'jobs.db'}"


# Another database is one line here: a function that gives the URL of an empty store.
DATABASES: dict[str, Callable[[Path, Path], str]] = {"sqlite": _fresh_sqlite}


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture(params=DATABASES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path, _prepared: Path) -> str:
    return DATABASES[request.param](tmp_path, _prepared)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url)
    yield opened
    opened.close()


@pytest.fixture
def clock(store: Store) -> Clock:
    return Clock(store)


@pytest.fixture
def worker(store: Store) -> str:
    """The id of a live worker that provides reports.render and serves all queues."""
    return add_worker(store)
