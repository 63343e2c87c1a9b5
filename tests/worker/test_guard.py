"""The guard's end that the supervisor holds, where somebody stops the guard's process."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator

import pytest
from waiting import alive, until

from jobreg import proc
from jobreg.worker.guard import Guard


@pytest.fixture
def guard() -> Iterator[Guard]:
    made = Guard(stale=60.0)
    made.start()
    yield made
    made.close()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def stop(guard: Guard) -> int:
    assert guard.pid is not None
    os.kill(guard.pid, signal.SIGSTOP)
    until(lambda: proc.is_stopped(guard.pid or 0))
    return guard.pid


def test_one_that_was_stopped_goes_on_at_the_next_touch(
    guard: Guard, child: subprocess.Popen[bytes]
) -> None:
    pid = stop(guard)
    guard.watch(child.pid)

    guard.touch()
    assert guard.pid == pid
    guard.close()

    assert child.wait(5) == -signal.SIGKILL


def test_one_that_reads_nothing_keeps_nobody_waiting_and_another_takes_its_place(
    guard: Guard, child: subprocess.Popen[bytes]
) -> None:
    guard.watch(child.pid)
    pid = stop(guard)

    def tell() -> None:
        for number in range(20_000):  # more than a pipe holds; beyond the numbers of processes
            guard.watch(10**7 + number)
            guard.forget(10**7 + number)

    telling = threading.Thread(target=tell, daemon=True)
    telling.start()
    telling.join(20)
    assert not telling.is_alive()
    until(lambda: not alive(pid))
    guard.touch()
    assert guard.pid != pid
    guard.close()

    assert child.wait(5) == -signal.SIGKILL
