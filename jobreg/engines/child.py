"""The child: imports job code, executes claims one by one, holds no database connection of ours.

The forkserver preloads this module and nothing else, so it must never import a plugin itself.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from .. import clock, failpoints
from ..errors import Interrupted
from ..lifecycle import Progress
from ..registry.motion import was_moved
from ..runner import execute, introduce
from . import wire
from .page import Page
from .tap import Tap

if TYPE_CHECKING:
    from multiprocess.connection import Connection

_PR_SET_PDEATHSIG = 1
_SIGNALS = tuple(
    number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)
)


class _Executing:
    """Is job code on the main thread's stack? Only then may a signal raise there."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._now = False
        self._late = False
        self.max_result = 0
        self.sending = threading.Lock()

    stopping = property(lambda self: self._page.stopping)
    interrupt = property(lambda self: self._page.interrupt)
    store_url = property(lambda self: os.environ["JOBREG_STORE"])

    def begin(self) -> None:
        self._page.begin()
        failpoints.reach("attempt.begun")
        self._now = True
        if self._page.interrupt is not None:
            raise Interrupted(f"The run was told to end: {self._page.interrupt}.")

    def end(self) -> None:
        self._now = False
        self._page.end()

    def on_term(self, _signal: int, _frame: FrameType | None) -> None:
        # Only what the supervisor wrote on the page counts: a service manager that sends
        # SIGTERM to every process of the unit must not cut short the worker's drain.
        if self._now and self._page.interrupt is not None:
            if self.sending.locked():
                self._late = True  # half a message must not stay in the pipe
                return
            self._now = False
            raise Interrupted(f"The run was told to end: {self._page.interrupt}.")

    def catch_up(self) -> None:
        """Raise now what came while a message was on its way."""
        if self._late and self._now:
            self._now = self._late = False
            raise Interrupted(f"The run was told to end: {self._page.interrupt}.")


def detach(duplicate: Any) -> int:
    """Unpickle a file descriptor that came with this process."""
    descriptor: int = duplicate.detach()
    return descriptor


def main(
    connection: Connection, descriptor: int, environment: dict[str, str], pipes: list[int]
) -> None:
    """Serve the supervisor at the other end of the connection until it closes."""
    page = Page(descriptor)
    os.close(descriptor)
    executing = _Executing(page)
    _prepare(environment)
    tap = Tap(*pipes)
    signal.signal(signal.SIGTERM, executing.on_term)
    surroundings = _Surroundings()
    own = os.getpid()

    def send(**message: Any) -> None:
        if os.getpid() != own:
            os._exit(0)  # a copy of us that the job forked: it must not speak in our name
        with executing.sending:
            connection.send_bytes(wire.pack(message))
        executing.catch_up()

    try:
        while True:
            message = wire.unpack(connection.recv_bytes())
            if message["do"] == "probe":
                said = _hello(message, message["max_error"])
                tap.flush()
                surroundings.look()
            else:
                tap.open()
                said = _outcome(message, executing, send)
                tap.flush()
                said["changed"] = surroundings.look() or tap.harmed or said["unbegun"]
                failpoints.reach("attempt.done")
            send(**said)
    except (EOFError, OSError):
        # The supervisor is gone or done with us; no exit handlers of the job's may delay the end.
        os._exit(0)


def _prepare(environment: dict[str, str]) -> None:
    """Become a process group that dies with its parent, and reads nothing of the worker's."""
    os.setsid()
    _leave_the_forkserver_alone()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    importlib.invalidate_caches()  # the forkserver may be older than what pip just installed


def _leave_the_forkserver_alone() -> None:
    """Close our copy of the pipe by which the forkserver knows that the supervisor lives.

    multiprocess hands it to every child; while one holds it, a forkserver whose supervisor was
    killed does not end, and so its death never reaches the children.
    """
    server = sys.modules.get("multiprocess.forkserver")
    held = getattr(getattr(server, "_forkserver", None), "_forkserver_alive_fd", None)
    if server is not None and held is not None:
        os.close(held)
        server._forkserver._forkserver_alive_fd = None


def _hello(message: dict[str, Any], max_error: int) -> dict[str, Any]:
    provider = wire.provider_from(message["provider"])
    assert provider is not None
    hello = introduce(message["job_name"], message["target"], provider, max_error, was_moved)
    return {"is": "hello", "hello": hello.to_wire(), "changed": hello.options is None}


def _outcome(
    message: dict[str, Any], executing: _Executing, send: Callable[..., None]
) -> dict[str, Any]:
    claim = wire.claim_from(message["claim"])

    def report(progress: Progress) -> None:
        note = {"done": progress.done, "total": progress.total, "message": progress.message}
        send(**{"is": "progress", "run_id": claim.run_id, "progress": note})

    began = clock.seconds()
    executing.max_result = message["max_result"]
    outcome = execute(
        claim,
        executing,
        report,
        max_result=message["max_result"],
        max_error=message["max_error"],
        redact=message["redact"],
        was_moved=was_moved,
    )
    return {
        "is": "outcome",
        "outcome": wire.outcome_to(outcome),
        "seconds": clock.seconds() - began,
        # Half of an old and half of a new version may be imported here: not to be used again.
        "unbegun": outcome.started is None,
    }


class _Surroundings:
    """What a job may not leave changed for the next one: folder, signals, threads, processes."""

    def __init__(self) -> None:
        self._seen = self._now()

    def look(self) -> bool:
        """Have they changed since the last look?"""
        before, self._seen = self._seen, self._now()
        return before != self._seen

    def _now(self) -> tuple[object, ...]:
        try:
            folder: str | None = os.getcwd()
        except OSError:
            folder = None
        handlers = tuple(signal.getsignal(number) for number in _SIGNALS)
        return folder, handlers, threading.active_count(), _has_subprocess()


def _has_subprocess() -> bool:
    """Has it a subprocess nobody waited for? What that prints would be taken for the next run's."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
