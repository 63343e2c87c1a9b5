"""Connections are lent to one verb at a time; who finds none waits for one that comes back."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from jobreg.store.lending import MOST, Lending


@pytest.fixture
def lending():
    dialect = SQLiteDialect()
    made = Lending(lambda: sqlite3.connect(":memory:", check_same_thread=False), dialect)
    yield made
    made.let_go(close=True)


def test_the_one_that_came_back_last_is_lent_first(lending):
    first, second = lending.take(1.0), lending.take(1.0)
    lending.give_back(second), lending.give_back(first)

    assert lending.take(1.0) is first


def test_who_finds_none_is_told_so_after_a_while(lending):
    lent = [lending.take(0.01) for _ in range(MOST)]

    assert None not in lent
    assert lending.take(0.01) is None


def test_who_finds_none_takes_the_first_that_comes_back(lending):
    lent = [lending.take(1.0) for _ in range(MOST)]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lending.take, 20.0)
        lending.give_back(lent[3])

        assert waiting.result(20) is lent[3]


def test_one_that_cannot_be_made_leaves_its_place_to_the_next(lending):
    made = lending._make

    def fails():
        raise sqlite3.OperationalError("unable to open database file")

    lending._make = fails
    for _ in range(MOST + 1):
        with pytest.raises(sqlite3.OperationalError):
            lending.take(0.01)
    lending._make = made

    assert lending.take(0.01) is not None


def test_what_was_not_read_to_its_end_does_not_outlive_the_connection(tmp_path):
    file = tmp_path / "some.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE some (number INTEGER)")
        other.execute("INSERT INTO some VALUES (1), (2)")
        lent = Lending(lambda: sqlite3.connect(file), SQLiteDialect()).take(1.0)
        cursor = lent.execute("SELECT number FROM some", ())
        assert cursor.fetchone() == (1,)

        lent.close()

        other.execute("INSERT INTO some VALUES (3)")
        busy, _, _ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert not busy
