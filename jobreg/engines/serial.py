"""In the child: claims are executed one after the other, in the order in which they came."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import failpoints
from ..lifecycle import Claim, Progress
from ..registry.motion import was_moved
from ..runner import Execution, Loaded
from . import wire
from .page import Page
from .surroundings import Surroundings
from .tap import Tap

if TYPE_CHECKING:
    from .child import Executing


class Serial:
    """Executes what it is given in the main thread, where a signal can interrupt it."""

    def __init__(
        self, page: Page, executing: Executing, tap: Tap, send: Callable[[bytes], None]
    ) -> None:
        self._page = page
        self._executing = executing
        self._tap = tap
        self._send = send
        self._spent = False
        self._jobs: list[dict[str, Any]] = []
        self._loaded: dict[str, Loaded] = {}
        self.surroundings = Surroundings()

    def execute(self, message: dict[str, Any]) -> None:
        """Execute the claims of a message; after one that changed this process, no more."""
        self._executing.max_result = message["max_result"]
        for number, claim in wire.run_from(message, self._jobs):
            if self._spent:
                return  # the supervisor knows, and gives the others to another child
            if self._page.take(number):
                self._send(self._one(number, claim, message))
            else:
                self._send(wire.pack(("skipped", number)))

    def _one(self, number: int, claim: Claim, message: dict[str, Any]) -> bytes:
        """Execute one claim; what is to be said of it."""

        def report(progress: Progress) -> None:
            self._send(wire.pack(("progress", number, wire.progress_to(progress))))

        self._tap.open()
        execution = Execution(
            claim,
            self._executing,
            report,
            max_result=message["max_result"],
            max_error=message["max_error"],
            redact=message["redact"],
            was_moved=was_moved,
            loaded=self._loaded,
        )
        execution.go()
        plain = execution.plain()
        self._tap.flush()
        self._spent = self.surroundings.look() or self._tap.harmed
        failpoints.reach("attempt.done")
        if plain is not None and not self._spent:
            return wire.pack(("done", number, *plain, self._tap.marks()))
        outcome = execution.outcome()
        if execution.hello is not None:
            self._send(wire.pack(("read", execution.hello.to_wire())))
        elif outcome.started is None:
            self._spent = True  # half an old and half a new version may be imported here
        return wire.outcome_to(number, outcome, self._spent, self._tap.marks())
