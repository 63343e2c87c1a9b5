"""In the child: many runs at once, each in a thread of its own."""

from __future__ import annotations

import ctypes
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from ..errors import Interrupted
from ..lifecycle import Claim, Ending
from ..registry.motion import was_moved
from ..runner import execute
from .neighbours import OURS, Neighbour, Together
from .numbered import NUMBER
from .term import hear_term

if TYPE_CHECKING:
    from .child import Post
    from .page import Page
    from .tap import Tap


class Threads(Together):
    """The main thread hears the supervisor; the runs are in others."""

    def __init__(self, page: Page, tap: Tap, post: Post, store_url: str) -> None:
        # Without one of its own a SIGTERM that was meant for others would end us.
        hear_term(lambda *_: None)
        super().__init__(page, tap, post, store_url, _threads_of_ours)

    def serve(self) -> None:
        """Do what the supervisor says, until it is gone or done with us."""
        for message in self.post.messages():
            self.understand(message)

    def take_up(self, number: int, claim: Claim, message: dict[str, Any]) -> None:
        """Execute one run in a thread of its own."""
        run = InThread(number, self, message["max_result"])
        with self._lock:
            self.runs[number] = run
        self.page.take(number)
        context = copy_context()
        context.run(NUMBER.set, number)
        run.thread = threading.Thread(
            target=context.run,
            args=(self._execute, run, claim, message),
            name=f"{OURS}run-{number}",
            daemon=True,
        )
        run.thread.start()

    def _execute(self, run: InThread, claim: Claim, message: dict[str, Any]) -> None:
        outcome = execute(
            claim,
            run,
            run.report,
            max_result=message["max_result"],
            max_error=message["max_error"],
            redact=message["redact"],
            was_moved=was_moved,
        )
        self.ended(run.number, outcome)


class InThread(Neighbour):
    """A run in a thread; it is interrupted between two steps of its own, never in a call of C."""

    thread: threading.Thread

    def __init__(self, number: int, together: Together, max_result: int) -> None:
        super().__init__(number, together, max_result)
        self._asking = threading.Lock()

    def begin(self) -> None:
        """The job's own code starts now."""
        with self._asking:
            super().begin()

    def end(self) -> None:
        """The job's own code is over, and an interrupt that comes too late is called back."""
        with self._asking:
            super().end()
            _raise_in(self.thread, None)

    def ask(self, why: Ending) -> None:
        """Let it know that it is to end, and raise that in its thread, once."""
        with self._asking:
            self.asked = self.asked or why
            if self.executing and not self.told:
                self.told = True
                _raise_in(self.thread, _saying(self.reason))


def _raise_in(thread: threading.Thread, error: type[BaseException] | None) -> None:
    """Raise an exception in another thread; None takes back one that was not raised yet."""
    raised = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), raised)


def _saying(reason: str) -> type[Interrupted]:
    """Interrupted with its message: only a class can be raised in another thread."""

    def told(self: Interrupted) -> None:
        Interrupted.__init__(self, reason)

    body = {"__init__": told, "__module__": Interrupted.__module__}
    return type(Interrupted.__name__, (Interrupted,), body)


def _threads_of_ours() -> int:
    return sum(each.name.startswith(OURS) for each in threading.enumerate())
