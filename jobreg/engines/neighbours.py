"""In a child that many runs share: one run among its neighbours, and what they have in common."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import clock, failpoints
from ..errors import Interrupted
from ..lifecycle import Claim, Ending, Outcome, Progress
from ..runner import NotYetError
from . import wire
from .surroundings import Surroundings, Variables

if TYPE_CHECKING:
    from .child import Post
    from .page import Page
    from .tap import Tap

OURS = "jobreg-"
"""How the names of our own threads begin in a child."""


class Neighbour:
    """One of several runs here: what passes between it and the one who minds it."""

    def __init__(self, number: int, together: Together, max_result: int) -> None:
        self.number = number
        self.max_result = max_result
        self.asked: Ending | None = None
        self.executing = False
        self.told = False
        """Was it interrupted? That happens once."""
        self._together = together

    stopping = property(lambda self: self._together.page.stopping)
    store_url = property(lambda self: self._together.store_url)
    interrupt = property(lambda self: self.asked)

    def begin(self) -> None:
        """The job's own code starts now."""
        if self._together.spent:  # what it has imported may be half of another version
            raise NotYetError
        self._together.begun(self.number)
        failpoints.reach("attempt.begun")
        self.executing = True
        if self.asked is not None and not self.told:
            self.told = True
            raise Interrupted(self.reason)

    def end(self) -> None:
        """The job's own code is over."""
        self.executing = False

    def ask(self, why: Ending) -> None:
        """Let it know that it is to end."""
        raise NotImplementedError

    @property
    def reason(self) -> str:
        """Why it is interrupted, as people say it."""
        return f"The run was told to end: {self.asked}."

    def report(self, progress: Progress) -> None:
        """Pass on how far it has come."""
        said = ("progress", self.number, wire.progress_to(progress))
        self._together.post.send(wire.pack(said))


class Together:
    """Executes many runs at once; how is for its subclasses to say."""

    def __init__(
        self, page: Page, tap: Tap, post: Post, store_url: str, own: Callable[[], int]
    ) -> None:
        self.page = page
        self.post = post
        self.store_url = store_url
        self.runs: dict[int, Any] = {}
        self._jobs: list[dict[str, Any]] = []
        self._tap = tap
        self.spent = False
        """Is nothing more to begin here?"""
        self._lock = threading.RLock()
        self._surroundings = Surroundings(own)
        self._variables = Variables()
        self._begun = False

    def understand(self, message: dict[str, Any]) -> None:
        """Do what the supervisor says."""
        if message["do"] == "interrupt":
            run = self.runs.get(message["number"])
            if run is not None:
                run.ask(Ending(message["why"]))
            return
        for number, claim in wire.run_from(message, self._jobs):
            with self._lock:
                if self.spent:
                    self.post.send(wire.pack(("skipped", number)))
                    continue
                if not self.runs:
                    self._tap.open()
            self.take_up(number, claim, message)

    def take_up(self, number: int, claim: Claim, message: dict[str, Any]) -> None:
        """Let one run execute beside the others."""
        raise NotImplementedError

    def left(self) -> bool:
        """Has a run that is over left anything to itself?"""
        return False

    def begun(self, number: int) -> None:
        """Tell that the code of a run begins, and where in the pipes its output does."""
        with self._lock:
            if not self._begun:  # the first since nothing ran here; what it imported stays
                self._begun = True
                self._variables.note()
            said = ("begun", number, clock.nanoseconds(), self._tap.marks())
            self.post.send(wire.pack(said))

    def ended(self, number: int, outcome: Outcome) -> None:
        """Tell what happened to a run. After one that changed this process no more begin."""
        failpoints.reach("attempt.done")
        self._tap.end(number)
        with self._lock:
            del self.runs[number]
            # Where it never began, half an old and half a new version may be imported here.
            self.spent |= outcome.started is None
            if not self.runs:
                if self._begun:
                    self._begun = False
                    # What an import has set, which is not done again, is lost with the rest.
                    self.spent |= self._variables.put_back()
                changed = self._surroundings.look() or self._tap.harmed or self.left()
                self.spent |= changed
            self.post.send(wire.outcome_to(number, outcome, self.spent, self._tap.marks()))
