"""A fork of this process waits until no other thread of it is inside a store.

SQLite has locks of its own, which a thread that allocates memory there holds for a moment. A copy
of the process that is made in such a moment has nobody who would let go of them: its first use of
SQLite never returns. A worker in a thread of an application is inside its store all the time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock, get_ident

_WITHIN = 5.0
"""Seconds for which a fork waits: a thread may be waiting in a store itself, for a lock there."""
_PAUSE = 0.001

_inside: set[int] = set()
_stays: set[int] = set()  # for whom a fork has waited in vain, until they leave
_gate = RLock()  # held by the thread that forks, in which a signal handler may submit
_forks = 0


def enter() -> int:
    """Come in, as soon as no other thread forks; returns what :func:`leave` is to be given."""
    me = get_ident()
    if me in _inside:
        return 0
    try:
        # First in, then looked: who forks looks first, and then who is in.
        _inside.add(me)
        while _forks not in (0, me):
            _inside.discard(me)
            with _gate:
                _inside.add(me)
    except BaseException:  # of a signal handler, or of another thread
        _inside.discard(me)
        raise
    return me


def leave(entered: int) -> None:
    """Go out again; who came in twice is out with the first."""
    _inside.discard(entered)
    _stays.discard(entered)


@contextmanager
def inside() -> Iterator[None]:
    """Be inside a store."""
    entered = enter()
    try:
        yield
    finally:
        leave(entered)


def _shut() -> None:
    """Let nobody in, and wait; what is raised here, by a signal handler, Python only prints."""
    global _forks
    _gate.acquire()
    _forks = get_ident()
    # Not our own clock, which a test may hold.
    ends = time.monotonic() + _WITHIN
    while others := _inside - _stays - {_forks}:
        if time.monotonic() > ends:
            _stays.update(others)
        time.sleep(_PAUSE)


def _open() -> None:
    global _forks
    if _forks == get_ident():  # else it was interrupted before it had shut
        _forks = 0
        _gate.release()


def _open_in_child() -> None:
    """Only the thread that forked is there."""
    global _forks, _gate
    _gate = RLock()
    _forks = 0
    _inside.intersection_update({get_ident()})
    _stays.clear()


if hasattr(os, "register_at_fork"):  # where there is a fork
    os.register_at_fork(before=_shut, after_in_parent=_open, after_in_child=_open_in_child)
