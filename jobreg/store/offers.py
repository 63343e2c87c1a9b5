"""What a worker would take, and the first rows of what waits: the two sides of a claim."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import NamedTuple

from ..lifecycle import Lane, Provider, lane_of
from ..options import JobOptions

_LEAST, _FEW = 3, 100

Pair = tuple[str, str]
"""A queue, and the name of a job of which runs wait there."""


class Head(NamedTuple):
    """A queued run, as far as it must be known to choose among them."""

    seq: int
    priority: int
    due_at: int
    job_name: str
    suspect: int | None
    max_attempts: int | None
    max_crashes: int | None


class Basis(NamedTuple):
    """On what runs are claimed; those of all jobs that stand on the same are taken together."""

    provider: Provider
    max_attempts: int
    max_crashes: int


class Offer(NamedTuple):
    """A job this worker is ready to run, as installed here, and how many runs it would take.

    ``ahead`` of them would wait until others have ended. ``places`` could begin in children that
    execute others of the same lane; a new child, for which all lanes stand in line, has room for
    ``fill``. These two, and ``most - ahead``, are the same for all of a lane. The options of an
    ``unread`` job are :data:`.catalogue.CAREFUL`.
    """

    job_name: str
    target: str
    provider: Provider
    options: JobOptions
    most: int = 1
    ahead: int = 0
    places: int = 0
    fill: int = 1
    unread: bool = False

    @property
    def basis(self) -> Basis:
        """On what its runs are claimed."""
        return Basis(self.provider, self.options.max_attempts, self.options.max_crashes)

    @property
    def lane(self) -> Lane:
        """Where its runs would find room."""
        return lane_of(self.options, self.provider)

    def at_most_once(self, head: Head) -> bool:
        """May this run be started once and never again? Its submitter stands before its job."""
        tries = head.max_attempts or self.options.max_attempts
        crashes = head.max_crashes or self.options.max_crashes
        return bool(tries == crashes == 1)


class Wanted(NamedTuple):
    """How many runs are wanted of several pairs: of all together, and of each."""

    in_all: int
    at_once: int
    """So many of them would begin at once; what may start only once is not taken ahead of that."""
    most: list[int]
    read: list[int]
    """How many heads of each pair to read first."""

    @classmethod
    def of(cls, offers: Collection[Offer]) -> Wanted:
        """What is wanted by offers that find room in the same lane."""
        most = [offer.most for offer in offers]
        in_all = max(most)
        each = some_of_each(in_all, most)
        at_once = max(offer.most - offer.ahead for offer in offers)
        return cls(in_all, at_once, most, [min(one, each) for one in most])


def some_of_each(wanted: int, most: Collection[int]) -> int:
    """How many heads of each pair to read first, where so many runs are wanted of all together.

    ``most`` are wanted of each. No pair is wanted whole, and seldom all of them alike: half as many
    again are read, and what some do not have room for is read of the others.
    """
    goal, each = max(_FEW, wanted * 1.5), 0
    while True:
        larger = [one for one in most if one > each]
        rest = goal - sum(one for one in most if one <= each)
        if not larger or rest <= each * len(larger):
            return max(_LEAST, each)
        each = math.ceil(rest / len(larger))


class Line:
    """Which heads find room, one after the other, where lanes compete for new children."""

    def __init__(self, offers: Collection[Offer]) -> None:
        free = ((each.most - each.ahead - each.places) // each.fill for each in offers)
        self._children = max(free, default=0)
        self._lanes = {each.job_name: each.lane for each in offers}
        self._fill = {each.lane: each.fill for each in offers}
        self._places = {each.lane: each.places for each in offers}
        self._ahead: dict[Lane, int] = {}
        for each in offers:
            self._ahead[each.lane] = max(each.ahead, self._ahead.get(each.lane, 0))

    def admit(self, job_name: str, *, may_wait: bool) -> bool:
        """Let one of a job in, if it could begin at once or may wait.

        One that may not keeps those behind it in its lane from being taken ahead of it.
        """
        lane = self._lanes[job_name]
        if self._places[lane] <= 0 < self._children:
            self._children -= 1
            self._places[lane] += self._fill[lane]
        if self._places[lane] > 0:
            self._places[lane] -= 1
            return True
        if not may_wait:
            self._ahead[lane] = 0
        elif self._ahead[lane] > 0:
            self._ahead[lane] -= 1
            return True
        return False
