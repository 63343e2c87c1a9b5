"""Copies of a process that has threads in a store can use theirs at once."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest
from store_hands import add, states
from waiting import until

from jobreg.store import forking, open_store

FORKS = 60


def ended(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def copy_of_this(do) -> int:
    """Fork a copy that does something and ends; its process id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            do()
            code = 0
        finally:
            os._exit(code)
    return pid


def in_a_thread(do) -> threading.Thread:
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    return thread


def one_that_stays(within) -> tuple[threading.Thread, threading.Event]:
    """A thread that is within something until it may leave."""
    leave, inside = threading.Event(), threading.Event()

    def stay() -> None:
        with within:
            inside.set()
            leave.wait(20)

    thread = in_a_thread(stay)
    inside.wait(20)
    return thread, leave


class Gate:
    """The gate, which tells that somebody has come to it."""

    def __init__(self) -> None:
        self._gate, self.reached = threading.RLock(), threading.Event()
        self.acquire, self.release = self._gate.acquire, self._gate.release

    def __enter__(self) -> None:
        self.reached.set()
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


@pytest.fixture
def store(tmp_path: Path):
    made = open_store(f"sqlite:///{tmp_path}/jobs.db")
    yield made
    made.close()


def test_a_copy_can_use_sqlite_whatever_the_threads_of_its_parent_were_doing_there(store):
    over = threading.Event()

    def keep_on() -> None:
        while not over.is_set():
            add(store)

    threads = [in_a_thread(keep_on) for _ in range(2)]
    for _ in range(FORKS):
        pid = copy_of_this(lambda: add(store))
        try:
            until(lambda pid=pid: ended(pid) is not None, 20, "the copy has submitted")
        except BaseException:
            os.kill(pid, 9)
            raise
    over.set()
    for thread in threads:
        thread.join(20)

    assert states(store)["queued"] > FORKS


def test_a_fork_waits_for_who_is_inside_and_nobody_enters_meanwhile(store, monkeypatch):
    gate = Gate()
    monkeypatch.setattr(forking, "_gate", gate)
    first, leave = one_that_stays(store.writing())
    forked, met = threading.Event(), []

    def fork() -> None:
        pid = copy_of_this(lambda: None)
        forked.set()
        os.waitpid(pid, 0)

    def come_in() -> None:
        with forking.inside():
            met.append(forking._forks)

    second = in_a_thread(fork)
    until(lambda: forking._forks, 20, "it wants to fork")
    third = in_a_thread(come_in)
    until(lambda: gate.reached.is_set() or met, 20, "it wants to come in")

    assert not forked.is_set()
    assert met == []
    leave.set()
    for thread in (first, second, third):
        thread.join(20)
    assert forked.is_set()
    assert met == [0]
    assert forking._inside == set()


def test_a_fork_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(forking, "_WITHIN", 0.1)
    thread, leave = one_that_stays(forking.inside())
    os.waitpid(copy_of_this(lambda: None), 0)
    monkeypatch.setattr(forking, "_WITHIN", 1000.0)
    os.waitpid(copy_of_this(lambda: None), 0)  # it was waited for once

    assert forking._stays == {thread.ident}
    leave.set()
    thread.join(20)
    assert forking._stays == set()


def test_who_is_interrupted_on_the_way_in_is_not_inside(monkeypatch):
    class Interrupts:
        def __enter__(self) -> None:
            raise KeyboardInterrupt

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(forking, "_gate", Interrupts())
    monkeypatch.setattr(forking, "_forks", -1)
    with pytest.raises(KeyboardInterrupt):
        forking.enter()

    assert forking._inside == set()


def test_what_is_done_on_a_callers_connection_is_inside(store, tmp_path):
    with sqlite3.connect(tmp_path / "jobs.db") as given, store.borrowed.use(given):
        assert forking._inside == {threading.get_ident()}

    assert forking._inside == set()


def test_who_forks_inside_a_store_waits_for_nobody(store):
    with store.reading():
        status = os.waitpid(copy_of_this(lambda: add(store)), 0)[1]

    assert status == 0
    assert forking._inside == set()
