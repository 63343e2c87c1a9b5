"""A SQLite file that is removed, or that another takes the place of, under those who use it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from waiting import until

from jobreg import Client, Registry, StoreUnavailable, Worker
from jobreg.events import listen
from jobreg.store import open_store, sqlite

WITHIN = 30.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store" / "jobs.db"


@pytest.fixture
def client(file: Path, registry: Registry) -> Iterator[Client]:
    made = Client(f"sqlite:///{file}", registry)
    yield made
    made.close()


@pytest.fixture
def told() -> Iterator[list[str]]:
    names: list[str] = []
    deaf = listen(lambda name, _: names.append(name))
    yield names
    deaf()


@pytest.fixture(autouse=True)
def _looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sqlite.LOOK_EVERY <= 0.01
    monkeypatch.setattr(sqlite, "LOOK_EVERY", 0.0)


def removed(file: Path) -> None:
    for each in file.parent.glob(f"{file.name}*"):
        each.unlink()


def test_what_is_submitted_to_a_file_that_was_removed_is_not_lost_in_it(
    client: Client, file: Path, told: list[str]
) -> None:
    with Worker(client.settings.store, registry=client.registry, concurrency=1):
        assert client.submit("hostile.echo", {"value": 1}).result(WITHIN) == 1
        removed(file)

        for ask in (lambda: client.submit("hostile.echo", {"value": 2}), client.store.find):
            with pytest.raises(StoreUnavailable, match=r"jobs\.db is not there any more"):
                ask()
        until(lambda: "store.down" in told, WITHIN, "the worker says so")
        assert list(file.parent.iterdir()) == []
        open_store(client.settings.store).close()

        assert client.submit("hostile.echo", {"value": 3}).result(WITHIN) == 3
    assert len(client.store.find()[0]) == 1


def test_a_file_that_takes_its_place_is_used_by_all(
    client: Client, file: Path, tmp_path: Path
) -> None:
    before = client.submit("hostile.echo", {"value": 1})
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("VACUUM INTO ?", [str(backup)])

    with Worker(client.settings.store, registry=client.registry, concurrency=1):
        assert before.result(WITHIN) == 1
        removed(file)
        shutil.move(backup, file)

        # As it was when it was copied, and now this worker's to run.
        until(lambda: before.refresh().state.final, WITHIN, "it is run from the copy as well")
        assert client.submit("hostile.echo", {"value": 2}).result(WITHIN) == 2


def test_a_file_that_could_not_be_read_for_a_moment_is_watched_afterwards(
    client: Client, file: Path
) -> None:
    client.store.counts()
    client.close()
    watch, good = open_store(client.settings.store).watch(), file.read_bytes()
    file.write_bytes(b"x" * len(good))

    torn = watch.changed()
    file.write_bytes(good)
    mended = watch.changed()

    assert (torn, mended) == (True, True)
    assert watch.fileno() is not None
    watch.close()
