"""What a database wrote last is read again and again while nothing happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobreg import clock
from jobreg.store import open_store, warmth
from jobreg.store.warmth import Warmth


def bytes_read() -> int:
    """What this process has read of files since it began, as the system counts it."""
    told = Path("/proc/self/io").read_text().split()
    return int(told[told.index("rchar:") + 1])


def read_by(act: Any) -> int:
    """How many bytes are read meanwhile, beyond what it takes to ask that."""
    before = bytes_read()
    itself = bytes_read() - before
    before = bytes_read()
    act()
    return bytes_read() - before - itself


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let so many seconds pass."""
    passed, now = [0.0], clock.seconds
    monkeypatch.setattr(clock, "seconds", lambda: now() + passed[0])

    def let_pass(seconds: float) -> None:
        passed[0] += seconds

    return let_pass


pytestmark = pytest.mark.skipif(
    not Path("/proc/self/io").exists(), reason="only Linux counts what is read"
)


def test_it_reads_the_whole_file_each_time_it_is_due(tmp_path: Path, later: Any) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"x" * 200_000)
    kept = Warmth(file)

    first, at_once = read_by(kept.keep), read_by(kept.keep)
    later(warmth.EVERY + 1)

    assert first >= 200_000
    assert at_once < 10_000
    assert read_by(kept.keep) >= 200_000


def test_of_a_large_file_the_beginning_is_read_and_one_that_is_not_there_is_left(
    tmp_path: Path,
) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(3 * warmth.MOST)

    assert warmth.MOST <= read_by(Warmth(tmp_path / "large").keep) < 1.1 * warmth.MOST
    assert read_by(Warmth(tmp_path / "none").keep) < 10_000


def test_an_idle_watch_keeps_the_write_ahead_log(tmp_path: Path, later: Any) -> None:
    store = open_store(f"sqlite:///{tmp_path}/jobs.db")
    store.counts()
    size = (tmp_path / "jobs.db-wal").stat().st_size
    watch = store.watch()
    watch.changed()
    watch.changed(busy=False)
    later(warmth.EVERY + 1)

    busy = read_by(lambda: watch.changed(busy=True))
    idle = read_by(lambda: watch.changed(busy=False))

    assert size > 50_000
    assert busy < 10_000
    assert idle >= size
    watch.close()
    store.close()
