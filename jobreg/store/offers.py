"""What a worker would take, and the first rows of what waits: the two sides of a claim."""

from __future__ import annotations

from typing import NamedTuple

from attrs import frozen

from ..lifecycle import Provider
from ..options import JobOptions


class Head(NamedTuple):
    """A queued run, as far as it must be known to choose among them."""

    seq: int
    priority: int
    due_at: int
    job_name: str
    suspect: int | None
    max_attempts: int | None
    max_crashes: int | None


@frozen
class Offer:
    """A job this worker is ready to run, as installed here, and how many runs it would take.

    ``ahead`` of them would wait until others have ended.
    """

    job_name: str
    target: str
    provider: Provider
    options: JobOptions
    most: int = 1
    ahead: int = 0

    def at_most_once(self, head: Head) -> bool:
        """May this run be started once and never again? Its submitter stands before its job."""
        tries = head.max_attempts or self.options.max_attempts
        crashes = head.max_crashes or self.options.max_crashes
        return bool(tries == crashes == 1)
