"""What SQLite reads is read again and again while nothing happens, by another process."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from jobreg import Registry
from jobreg.store import open_store, warmth
from jobreg.worker import Worker, guard as guard_module, worker as worker_module
from jobreg.worker.guard import Guard

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/io").exists(), reason="only Linux counts what is read"
)


def bytes_read(pid: int | str = "self") -> int:
    """What a process has read of files since it began, as the system counts it."""
    told = Path(f"/proc/{pid}/io").read_text().split()
    return int(told[told.index("rchar:") + 1])


def read_by(act: Any) -> int:
    """How many bytes are read meanwhile, beyond what it takes to ask that."""
    before = bytes_read()
    itself = bytes_read() - before
    before = bytes_read()
    act()
    return bytes_read() - before - itself


def test_of_a_large_file_the_beginning_is_read_and_one_that_is_not_there_is_left(
    tmp_path: Path,
) -> None:
    (tmp_path / "small").write_bytes(b"x" * 200_000)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(3 * warmth.MOST)

    assert 200_000 <= read_by(lambda: warmth.read(tmp_path / "small")) < 210_000
    assert warmth.MOST <= read_by(lambda: warmth.read(tmp_path / "large")) < 1.1 * warmth.MOST
    assert read_by(lambda: warmth.read(tmp_path / "none")) < 10_000


def test_the_database_and_its_log_are_read_more_often_than_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jobs.db").write_bytes(b"x" * 100_000)
    (tmp_path / "jobs.db-wal").write_bytes(b"x" * 50_000)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise StopIteration

    monkeypatch.setattr(time, "sleep", pause)

    def keep() -> None:
        with pytest.raises(StopIteration):
            warmth.keep_warm(tmp_path / "jobs.db")

    assert 450_000 <= read_by(keep) < 480_000
    assert set(pauses) == {warmth.EVERY}
    assert warmth.EVERY < 60 / 2


def test_the_guard_of_a_worker_reads_them(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/jobs.db")
    store.counts()
    (tmp_path / "more").write_bytes(b"x" * 3_000_000)
    (tmp_path / "more-wal").write_bytes(b"x" * 4_000_000)
    guards = [Guard(30.0), Guard(30.0, warm=tmp_path / "more")]

    for guard in guards:
        guard.start()
    cold, warm = (guard.pid or 0 for guard in guards)
    until(lambda: bytes_read(warm) > 7_000_000, 20, "all is read")

    assert bytes_read(cold) < 3_000_000
    for guard in guards:
        guard.close()
    store.close()


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_worker_gives_its_guard_the_file_to_keep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_thread: bool
) -> None:
    given: list[dict[str, Any]] = []

    class Noted(Guard):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            given.append(options)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(worker_module, "Guard", Noted)
    worker = Worker(f"sqlite:///{tmp_path}/jobs.db", registry=Registry(path=[]), until_idle=True)

    if in_thread:
        thread = threading.Thread(target=worker.run)
        thread.start()
        thread.join(30)
    else:
        worker.run()

    assert given == [{"warm": tmp_path / "jobs.db"}]


def test_a_guard_that_can_have_no_thread_guards_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)

    guard_module._keep_warm(tmp_path / "jobs.db")
