"""How children are started: from a process that has loaded our child and no plugin."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import multiprocess
from multiprocess import connection, forkserver, reduction, spawn

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
_quietly = threading.local()
_describe_parent = spawn.get_preparation_data


def _describe_parent_without_main(name: str) -> dict[str, Any]:
    """What a new child is told of its parent; for our children, nothing of its main module.

    A child would otherwise run the application's script again, and one without an
    ``if __name__ == "__main__"`` guard would start workers in its children.
    """
    told: dict[str, Any] = _describe_parent(name)
    if getattr(_quietly, "on", False):
        told.pop("init_main_from_name", None)
        told.pop("init_main_from_path", None)
    return told


def _forget_forkserver() -> None:
    """In a copy of this process: the forkserver is its parent's, and must see its parent end."""
    server = forkserver._forkserver
    if server._forkserver_alive_fd is not None:
        os.close(server._forkserver_alive_fd)
    type(server).__init__(server)


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
        if self._context.get_start_method() == "forkserver":
            self._context.set_forkserver_preload([_PRELOAD])

    def start(self, provider: Provider, engine: str) -> Child:
        """Start a child that will serve this provider by one engine, and no other, ever."""
        ours, theirs = connection.Pipe()
        descriptor = make_file()
        page = Page(descriptor)
        born = Child if engine == "processes" else SharedChild
        capture = Capture(page) if engine == "processes" else SortingCapture(page)
        process = self._context.Process(
            target=child.main,
            args=(
                theirs,
                _Descriptor(descriptor),
                self._environment,
                [_Descriptor(end) for end in capture.theirs],
                engine,
            ),
            name="jobreg-child",
            daemon=True,
        )
        _quietly.on = True
        try:
            process.start()
        except BaseException:
            capture.close()
            page.close()
            raise
        finally:
            _quietly.on = False
            theirs.close()
            capture.hand_over()
            os.close(descriptor)
        return born(process, ours, page, capture, provider, engine)
