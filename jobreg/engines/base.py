"""What an engine does: the page of verbs every engine answers to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

from attrs import frozen

from ..catalogue import Hello
from ..legible import amount
from ..lifecycle import Claim, Ending, ErrorReport, Lane, LogChunk, Outcome, Progress, Provider


@frozen
class Note:
    """How far a running attempt has come."""

    run_id: str
    attempt: int
    progress: Progress


@frozen
class Output:
    """What a running attempt has printed and logged since the last of these.

    The last one of an attempt comes before its outcome.
    """

    run_id: str
    attempt: int
    chunks: tuple[LogChunk, ...]


Report = Outcome | Hello | Note | Output


class Room(NamedTuple):
    """Where claims of one lane could begin at once.

    ``places`` are in children that execute others of them; ``children`` could be had for them,
    each with room for ``fill`` claims. Fewer than none: so many are waited for.
    """

    places: int
    children: int
    fill: int
    ahead: bool
    """May more be taken, to wait in hand?"""

    @property
    def total(self) -> int:
        """How many could begin."""
        return self.places + self.children * self.fill


class Engine(Protocol):
    """Starts claims, minds their limits, and brings back what happened."""

    def start(self) -> None:
        """Make ready to take claims."""

    def room(self) -> int:
        """Say how many more claims could begin at once."""

    def rooms(self, lanes: Collection[Lane]) -> dict[Lane, Room]:
        """Say what could begin at once of each lane that there are runs of.

        A lane that is left out must wait: others do for it, or it for others, so that each has
        its turn.
        """

    def backlog(self) -> int:
        """Say how many claims were taken and have not begun."""

    def stalled(self) -> float:
        """Say for how many seconds claims have waited and none could begin."""

    def execute(self, claims: Iterable[Claim]) -> None:
        """Take claims and begin each as soon as there is room, in order."""

    def probe(self, job_name: str, target: str, provider: Provider) -> None:
        """Import a job without running it; a Hello will come."""

    def withdraw(self) -> list[Claim]:
        """Give back the claims that have not begun."""

    def interrupt(self, run_id: str, attempt: int, why: Ending) -> None:
        """End one running claim: ask first, kill after the grace."""

    def announce_stop(self) -> None:
        """Tell running jobs that the worker is about to end."""

    def kill(self) -> None:
        """Kill all that runs, now; every claim comes back as released."""

    def collect(self, timeout: float, also: int | None = None) -> Sequence[Report]:
        """Wait for reports, at most ``timeout`` seconds, and take them.

        The wait ends too when the descriptor ``also`` has something to read.
        """

    def wake(self) -> None:
        """Let a waiting ``collect`` return; may be called in a signal handler."""

    def close(self) -> None:
        """End everything this engine started."""


class Groups(Protocol):
    """Who is told of the process groups of children, to kill them when we cannot."""

    def watch(self, group: int) -> None:
        """Keep an eye on this process group."""

    def forget(self, group: int) -> None:
        """This group has ended."""


def over_time(
    claim: Claim, error: ErrorReport | None = None, *, locks: bool = False
) -> ErrorReport:
    """The error of a run over its time, with the traceback of where it was interrupted.

    ``locks``: it was the time for which it may keep the store locked.
    """
    text = f"It ran longer than its limit of {amount(claim.options.timeout or 0)} s."
    if locks:
        text = (
            "It kept the database file locked for so long that its worker could not renew its "
            "lease. Let it work first, then write and commit at once."
        )
    return ErrorReport("TimeoutError", text, error.traceback if error else "")
