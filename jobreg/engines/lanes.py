"""What waits to begin, lane by lane, and how much room there is for more."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence

from ..lifecycle import PROCESSES, Claim, Lane, lane_of
from .base import Room
from .children import Child
from .shared import places_of

PATIENCE = 0.5
"""Seconds that a lane which has no child waits for one before the others let it have its turn."""


class Lanes:
    """Claims that were taken and have not begun; each lane has an order of its own."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._waiting: dict[Lane, deque[Claim]] = {PROCESSES: deque()}
        self._handed_at: dict[Lane, float] = {}
        self._wishes: dict[Lane, float] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __getitem__(self, lane: Lane) -> deque[Claim]:
        return self._waiting[lane]

    # what waits

    def add(self, claims: Iterable[Claim], now: float) -> None:
        """Let claims wait behind those of their lane."""
        for claim in claims:
            waiting = self._of(claim)
            if not waiting:
                self.handed(lane_of(claim.options, claim.provider), now)
            waiting.append(claim)

    def put_back(self, claims: Sequence[Claim]) -> None:
        """Let claims wait before those of their lane: their turn had come."""
        for claim in reversed(claims):
            self._of(claim).appendleft(claim)

    def _of(self, claim: Claim) -> deque[Claim]:
        return self._waiting.setdefault(lane_of(claim.options, claim.provider), deque())

    def remove(self, run_id: str, attempt: int) -> bool:
        """Let one wait no longer; False where it does not."""
        for waiting in self._waiting.values():
            for claim in waiting:
                if (claim.run_id, claim.attempt) == (run_id, attempt):
                    waiting.remove(claim)
                    return True
        return False

    def take_all(self) -> list[Claim]:
        """Let none wait."""
        claims = [claim for waiting in self._waiting.values() for claim in waiting]
        self._waiting = {PROCESSES: deque()}
        return claims

    def waiting(self) -> list[Lane]:
        """The lanes in which any waits; those that can fill a child with many come first."""
        return sorted((lane for lane in self._waiting if self[lane]), key=PROCESSES.__eq__)

    def handed(self, lane: Lane, now: float) -> None:
        """One of a lane begins."""
        self._handed_at[lane] = now

    def stalled(self, now: float) -> float:
        """For how many seconds a lane has waited and none of it could begin."""
        return max((now - self._handed_at.get(lane, now) for lane in self.waiting()), default=0.0)

    # room for more

    def room(self, children: Collection[Child]) -> int:
        """How many more claims could begin at once, of whatever lane."""
        free, places = self._count(children)
        return max(0, free) + sum(places.values())

    def rooms(
        self, lanes: Collection[Lane], children: Collection[Child], now: float
    ) -> dict[Lane, Room]:
        """What could begin at once of each of these lanes; one whose turn it is not is left out.

        A child that many share may never be empty, and short runs may be taken ahead without end.
        So where a lane has had no child for a while, no other gets room until there is one again,
        for which then all stand in line.
        """
        free, places = self._count(children)
        rooms = {
            lane: Room(
                places=places.get(lane, 0),
                children=free if lane == PROCESSES else max(0, free),
                fill=places_of(lane[0]),
                ahead=lane == PROCESSES,
            )
            for lane in lanes
        }
        without = [lane for lane in lanes if rooms[lane].total <= 0]
        if without:
            served = {each.lane for each in children if each.busy} | set(self.waiting())
            without = [lane for lane in without if lane not in served]
        self._wishes = {lane: self._wishes.get(lane, now) for lane in without}
        if without and now - min(self._wishes.values()) >= PATIENCE:
            return {}
        return rooms

    def _count(self, children: Collection[Child]) -> tuple[int, dict[Lane, int]]:
        """Children that could be had, fewer than none where claims wait; places in others."""
        free = self._concurrency - len(self[PROCESSES])
        places: dict[Lane, int] = {}
        for each in children:
            free -= each.busy
            if each.given and each.lane != PROCESSES:
                places[each.lane] = places.get(each.lane, 0) + each.places
        for lane, waiting in self._waiting.items():
            if waiting and lane != PROCESSES:
                left, fill = places.get(lane, 0) - len(waiting), places_of(lane[0])
                more = max(0, -(left // fill))  # children that those who wait will need
                free, places[lane] = free - more, left + more * fill
        return free, places
