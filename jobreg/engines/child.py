"""The child: imports job code, executes claims, holds no database connection of ours.

The forkserver preloads this module and nothing else, so it must never import a plugin itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from .. import failpoints
from ..catalogue import Hello
from ..errors import Interrupted
from ..registry.motion import was_moved
from ..runner import introduce
from . import wire
from .page import Page
from .serial import Serial
from .surroundings import Variables
from .tap import Tap
from .term import hear_term

if TYPE_CHECKING:
    from multiprocess.connection import Connection

NAME = "jobreg-child"
"""What ``multiprocess`` calls a process that is one of our children."""

_PR_SET_PDEATHSIG = 1


class Executing:
    """Is job code on the main thread's stack? Only then may a signal raise there."""

    def __init__(self, page: Page, post: Post, store_url: str) -> None:
        self._page = page
        self._post = post
        self._variables = Variables()
        self._now = False
        self._late = False
        self.max_result = 0
        self.store_url = store_url
        post.sent = self.catch_up

    stopping = property(lambda self: self._page.stopping)
    interrupt = property(lambda self: self._page.interrupt)

    def begin(self) -> None:
        """The job's own code starts now."""
        self._variables.note()
        self._page.begin()
        failpoints.reach("attempt.begun")
        self._now = True
        if self._page.interrupt is not None:
            raise Interrupted(f"The run was told to end: {self._page.interrupt}.")

    def end(self) -> None:
        """The job's own code is over."""
        self._now = False
        self._page.end()
        self._variables.put_back()

    def on_term(self, _signal: int, _frame: FrameType | None) -> None:
        """Interrupt the job that executes, if it is the one that is to end."""
        # Only what the supervisor wrote on the page counts: a service manager that sends
        # SIGTERM to every process of the unit must not cut short the worker's drain.
        if self._now and self._page.interrupt is not None:
            if self._post.sending.locked():
                self._late = True  # half a message must not stay in the pipe
                return
            self._now = False
            raise Interrupted(f"The run was told to end: {self._page.interrupt}.")

    def catch_up(self) -> None:
        """Raise now what came while a message was on its way."""
        if self._late and self._now:
            self._now = self._late = False
            raise Interrupted(f"The run was told to end: {self._page.interrupt}.")


class Post:
    """The child's ends of the pipes from its supervisor and to it."""

    def __init__(self, inbox: Connection, outbox: Connection) -> None:
        self._kept = inbox, outbox
        self.end = inbox.fileno()
        self._out = outbox.fileno()
        self._lines = wire.Lines()
        self._own = os.getpid()
        self.sending = threading.Lock()
        self.sent: Callable[[], None] = lambda: None
        """Called when a message is on its way."""

    def read(self) -> list[dict[str, Any]] | None:
        """What the supervisor says now; None where it is gone or done with us."""
        data = os.read(self.end, wire.READ)
        return [wire.unpack(line) for line in self._lines.feed(data)] if data else None

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the supervisor says, until it is gone or done with us."""
        while (messages := self.read()) is not None:
            yield from messages

    def send(self, line: bytes) -> None:
        """Say something; nothing else comes between."""
        if os.getpid() != self._own:
            os._exit(0)  # a copy of us that the job forked: it must not speak in our name
        with self.sending:
            sent = os.write(self._out, line)
            while sent < len(line):
                sent += os.write(self._out, memoryview(line)[sent:])
        self.sent()


def detach(duplicate: Any) -> int:
    """Unpickle a file descriptor that came with this process."""
    descriptor: int = duplicate.detach()
    return descriptor


def main(
    inbox: Connection,
    outbox: Connection,
    descriptor: int,
    environment: dict[str, str],
    pipes: list[int],
    engine: str,
) -> None:
    """Serve the supervisor, whose messages come into the inbox, until it closes that."""
    page = Page(descriptor)
    os.close(descriptor)
    _prepare(environment)
    tap = Tap(page, *pipes, apart=engine != "processes")
    post, store_url = Post(inbox, outbox), os.environ["JOBREG_STORE"]
    with contextlib.suppress(OSError):
        if engine == "processes":
            _serve_one_by_one(page, tap, post, store_url)
        elif engine == "threads":
            from .threads import Threads

            Threads(page, tap, post, store_url).serve()
        else:
            from .aio import Aio

            Aio(page, tap, post, store_url).serve()
    # The supervisor is gone or done with us; no exit handlers of the job's may delay the end.
    os._exit(0)


def _serve_one_by_one(page: Page, tap: Tap, post: Post, store_url: str) -> None:
    executing = Executing(page, post, store_url)
    hear_term(executing.on_term)
    serial = Serial(page, executing, tap, post.send)
    for message in post.messages():
        if message["do"] == "probe":
            hello = _hello(message, message["max_error"])
            tap.flush()
            serial.surroundings.look()
            post.send(wire.pack(("hello", hello.to_wire(), hello.options is None)))
        else:
            serial.execute(message)


def _prepare(environment: dict[str, str]) -> None:
    """Become a process group that dies with its parent, and reads nothing of the worker's."""
    os.setsid()
    _leave_the_forkserver_alone()
    # The supervisor ends with its daemons; a job is to have processes of ``multiprocess`` itself.
    sys.modules["multiprocess.process"].current_process()._config["daemon"] = False
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Until there is a handler; the forkserver held it back until now (:mod:`.preload`).
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    importlib.invalidate_caches()  # the forkserver may be older than what pip just installed


def _leave_the_forkserver_alone() -> None:
    """Close our copy of the pipe by which the forkserver knows that the supervisor lives.

    multiprocess hands it to every child; while one holds it, a forkserver whose supervisor was
    killed does not end, and so its death never reaches the children. Beside it comes, in the place
    of the supervisor's tracker of semaphores, what leads nowhere (:mod:`.nursery`): a job that has
    some gets a tracker of its child's own.
    """
    server = sys.modules.get("multiprocess.forkserver")
    held = getattr(getattr(server, "_forkserver", None), "_forkserver_alive_fd", None)
    if server is not None and held is not None:
        os.close(held)
        server._forkserver._forkserver_alive_fd = None
        tracker = sys.modules["multiprocess.resource_tracker"]._resource_tracker
        os.close(tracker._fd)
        tracker._fd = None


def _hello(message: dict[str, Any], max_error: int) -> Hello:
    provider = wire.provider_from(message["provider"])
    assert provider is not None
    return introduce(message["job_name"], message["target"], provider, max_error, was_moved)
