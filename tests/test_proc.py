"""What Linux tells of processes is read as proc(5) has it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from jobreg import proc

LOCK = "2: POSIX  ADVISORY  WRITE 4711 08:02:1234 120 120"
OTHERS = [
    "1: FLOCK  ADVISORY  WRITE 1 08:02:1234 0 EOF",
    "3: POSIX  ADVISORY  READ  12 08:02:1234 120 120",
    "4: POSIX  ADVISORY  WRITE 13 08:02:1234 0 EOF",
    "5: POSIX  ADVISORY  WRITE 14 08:02:1234 121 127",
    "6: POSIX  ADVISORY  WRITE 15 08:02:1235 120 120",
    "7: POSIX  ADVISORY  WRITE 0 08:02:1234 120 120",
    "7: -> POSIX  ADVISORY  WRITE 16 08:02:1234 120 120",
    "8: LEASE  ACTIVE    READ  17 08:02:1234 0 EOF",
]


def test_the_writer_is_found_among_others() -> None:
    assert proc.writer_among(OTHERS, 1234) is None
    assert proc.writer_among([*OTHERS, LOCK], 1234) == 4711


def test_locks_side_by_side_are_one_line() -> None:
    assert proc.writer_among([LOCK.replace("120 120", "120 121")], 1234) == 4711


def test_words_of_another_kind_are_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jobs.db-shm").touch()
    read = Path.read_text
    monkeypatch.setattr(
        Path, "read_text",
        lambda file, *rest, **more: "1: POSIX X WRITE many" if file == Path("/proc/locks")
        else read(file, *rest, **more),
    )  # fmt: skip

    assert proc.writer(tmp_path / "jobs.db") is None


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="nobody tells of locks here")
def test_who_writes_to_a_database_is_known_while_it_does(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    assert proc.writer(file) is None

    connection.execute("BEGIN IMMEDIATE")

    assert proc.writer(file) == os.getpid()
    (tmp_path / "link.db").symlink_to(file)
    assert proc.writer(tmp_path / "link.db") == os.getpid()
    connection.execute("ROLLBACK")
    assert proc.writer(file) is None
    connection.close()


def test_of_a_process_that_is_not_there_nothing_is_certain() -> None:
    assert not proc.is_stopped(2**22 + 1)
