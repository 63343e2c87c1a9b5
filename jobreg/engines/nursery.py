"""How children are started: from a process that has loaded our child and no plugin."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import multiprocess
from multiprocess import connection, forkserver, process, reduction, resource_tracker, spawn

from .. import proc
from ..lifecycle import Provider
from . import child
from .capture import Capture
from .children import Child
from .page import Page, make_file
from .shared import SharedChild
from .sorting import SortingCapture

METHOD = "forkserver" if sys.platform == "linux" else "spawn"
"""How children are started: from a small clean process where there is one, else afresh."""

_PRELOAD = "jobreg.engines.preload"
_ROUSE_AFTER = 2.0
"""Seconds after which a forkserver that does not answer may have been stopped."""
_DESCRIPTORS = 32
"""More than are open at one time while a child is started."""
_ours = threading.local()  # says whether this thread starts one of our children
_describe_parent = spawn.get_preparation_data
_run_tracker = resource_tracker.ensure_running
_tracker_line = resource_tracker.getfd


def _describe_parent_without_main(name: str) -> dict[str, Any]:
    """What a new child is told of its parent; for our children, nothing of its main module.

    A child would otherwise run the application's script again, and one without an
    ``if __name__ == "__main__"`` guard would start workers in its children.
    """
    told: dict[str, Any] = _describe_parent(name)
    if getattr(_ours, "on", False):
        told.pop("init_main_from_name", None)
        told.pop("init_main_from_path", None)
    return told


def _run_tracker_for_others() -> None:
    """Start the tracker, a Python of its own that holds semaphores in evidence: we have none."""
    if _nowhere() is None:
        _run_tracker()


def _tracker_line_of_others() -> int:
    """Where a new child tells the tracker of semaphores; ours starts its own, if its job has any.

    What ours are given instead, they close.
    """
    nowhere = _nowhere()
    line: int = _tracker_line() if nowhere is None else nowhere
    return line


def _nowhere() -> int | None:
    """What stands in the place of the line to the tracker for what this thread starts now."""
    return getattr(_ours, "nowhere", None)


@contextmanager
def _starting_ours(*, tracked: bool) -> Iterator[None]:
    """Meanwhile ``multiprocess`` starts what this thread asks for as is right for our children."""
    _ours.nowhere = None if tracked else os.open(os.devnull, os.O_WRONLY)
    _ours.on = True
    try:
        yield
    finally:
        if not tracked:
            os.close(_ours.nowhere)
        _ours.on, _ours.nowhere = False, None


def _forget_forkserver() -> None:
    """In a copy of this process: the forkserver is its parent's, and must see its parent end."""
    server = forkserver._forkserver
    if server._forkserver_alive_fd is not None:
        os.close(server._forkserver_alive_fd)
    type(server).__init__(server)
    # Not the copy's to end, though ``multiprocess`` would when it exits.
    ours = {each for each in process._children if each.name == child.NAME}
    process._children.difference_update(ours)


os.register_at_fork(after_in_child=_forget_forkserver)


class _Descriptor:
    """A file descriptor that travels to the child with the process object."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[Any]]:
        return child.detach, (reduction.DupFd(self._number),)


class Nursery:
    """Starts children by one method; from a forkserver that has loaded our child and no plugin."""

    def __init__(self, environment: dict[str, str], method: str | None = None) -> None:
        self._context = multiprocess.get_context(method or METHOD)
        self._environment = environment
        spawn.get_preparation_data = _describe_parent_without_main
        self._forks = self._context.get_start_method() == "forkserver"
        if self._forks:
            resource_tracker.ensure_running = _run_tracker_for_others
            resource_tracker.getfd = _tracker_line_of_others
            self._context.set_forkserver_preload([_PRELOAD])

    @property
    def parent(self) -> int | None:
        """The process that children come from now, and that they do not outlive; None: us."""
        pid: int | None = forkserver._forkserver._forkserver_pid if self._forks else None
        return pid

    def has_lost(self, parent: int | None) -> bool:
        """Has this process, that children came from, died?"""
        if parent is None:
            return False
        try:
            # Left for ``multiprocess`` to be told, when it wants the next child of it.
            told = os.waitid(os.P_PID, parent, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        return told is not None

    def rouse(self) -> None:
        """Let who starts children and hears of their ends go on, if somebody has stopped it."""
        parent = self.parent
        if parent is not None and proc.is_stopped(parent):
            with suppress(ProcessLookupError):
                os.kill(parent, signal.SIGCONT)

    @contextmanager
    def _answered(self) -> Iterator[None]:
        """Meanwhile the forkserver is asked for a child, and must not keep us waiting for ever."""
        timer = threading.Timer(_ROUSE_AFTER, self.rouse)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError as error:  # no more threads can be had
            raise OSError(errno.EAGAIN, str(error)) from error
        try:
            yield
        finally:
            timer.cancel()

    def start(self, provider: Provider, engine: str) -> Child:
        """Start a child that will serve this provider by one engine, and no other, ever.

        Raises:
            OSError, EOFError: there are no descriptors, or no memory, for one more.
        """
        _see_that_there_is_room()
        _stand_where_a_child_can()
        if self._forks:
            _see_a_forkserver_dead()
        # Two, one for each way: what crosses a socket costs three times as much at either end.
        (inbox, out), (said, outbox) = connection.Pipe(duplex=False), connection.Pipe(duplex=False)
        descriptor = make_file()
        page = Page(descriptor)
        born = Child if engine == "processes" else SharedChild
        capture = Capture(page) if engine == "processes" else SortingCapture(page)
        made = self._context.Process(
            target=child.main,
            args=(
                inbox,
                outbox,
                _Descriptor(descriptor),
                self._environment,
                [_Descriptor(end) for end in capture.theirs],
                engine,
            ),
            name=child.NAME,
            daemon=True,
        )
        try:
            with _starting_ours(tracked=not self._forks), self._answered():
                made.start()
        except BaseException:
            for each in (capture, page, out, said):
                each.close()
            raise
        finally:
            inbox.close()
            outbox.close()
            capture.hand_over()
            os.close(descriptor)
        return born(made, said, out, page, capture, provider, engine, parent=self.parent)


def _see_a_forkserver_dead() -> None:
    """Where an application that waits for all its processes was told of its end, we are not."""
    server = forkserver._forkserver
    with server._lock:
        if server._forkserver_pid is None:
            return
        try:
            os.waitid(os.P_PID, server._forkserver_pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            os.close(server._forkserver_alive_fd)
            server._forkserver_address = server._forkserver_alive_fd = None
            server._forkserver_pid = None


def _stand_where_a_child_can() -> None:
    """A child begins where we are; where that folder was removed, in what is left of its path."""
    try:
        os.getcwd()
    except FileNotFoundError:
        gone = Path("/")
        with suppress(OSError):  # where there is /proc
            gone = Path(os.readlink("/proc/self/cwd").removesuffix(" (deleted)"))
        for folder in (gone, *gone.parents):
            with suppress(OSError):
                os.chdir(folder)
                return


def _see_that_there_is_room() -> None:
    """See that a child's descriptors can be had.

    A forkserver that is asked for one and is not told all of it dies, and all its children with it.

    Raises:
        OSError: they cannot.
    """
    taken: list[int] = []
    try:
        for _ in range(_DESCRIPTORS):
            taken.append(os.open(os.devnull, os.O_RDONLY))
    finally:
        for each in taken:
            os.close(each)
