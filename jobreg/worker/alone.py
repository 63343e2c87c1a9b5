"""One run, executed here and now: the worker behind ``jobreg run``."""

from __future__ import annotations

from contextlib import suppress

from attrs import evolve

from .. import clock
from ..errors import JobConflict, StoreUnavailable
from ..lifecycle import Claim, Ending, RunRecord, State
from ..registry import JobRef
from ..store import Offer
from .signals import heard
from .worker import LAST, Worker


class LoneWorker(Worker):
    """A worker that claims nothing: it stores one run as its own, and sees that run through."""

    def run_one(self, request: RunRecord) -> RunRecord:
        """Store one run, already claimed by this process, execute it here, and return it.

        Told to stop, it cancels the run.

        Raises:
            UnknownJob, JobConflict: the job is not installed here.
            Conflict: a run with this id exists.
            StoreUnavailable: told to stop, and the store does not take it.
        """
        with suppress(JobConflict):  # the store may say whose the name is
            self.registry.ref(request.job_name)
        with heard(self._on_signal), self._house():
            self.store.refuse_known(request.run_id)
            ref = self.ownership.require(request.job_name)
            due = _due(request)
            while (offer := self._offer(ref)) is None or clock.seconds() < due:
                self._idle_turn()
            self.ownership.require(request.job_name)  # the hello may have come to a name now owned
            claim = None
            while claim is None:
                claim = self.store.insert_claimed(request, self.lease.worker_id, offer)
                if claim is None:
                    self._begin_anew()
            return self._see_through(claim)

    def _offer(self, ref: JobRef) -> Offer | None:
        """What is known of the job; None while it is asked what it is."""
        offer = self.claimer.offer(ref)
        if offer is None:
            return None
        # No neighbours are to be had: whatever its engine, it has a process to itself.
        return offer._replace(options=evolve(offer.options, engine="processes"))

    def _idle_turn(self) -> None:
        """A turn in which nothing of the caller's is stored yet, so that it may simply stop."""
        if self.stopping:
            raise KeyboardInterrupt
        self._turn(claiming=False)

    def _see_through(self, claim: Claim) -> RunRecord:
        """Execute one claim, and every further try that no other worker takes, to the end.

        Raises:
            UnknownJob, JobConflict: the job is not installed here any more; the run stays queued.
        """
        again: Claim | None = claim
        while True:
            if again is not None:
                self._execute_alone(again)
            record, again = self.store.get(claim.run_id), None
            if record.state.final:
                return record
            if self.stopping:
                self.store.cancel(record.run_id)
            elif record.state is State.QUEUED:
                again = self._claim_again(record)
            if again is None:
                if self._hurrying:
                    raise KeyboardInterrupt
                self._turn(claiming=False)

    def _claim_again(self, record: RunRecord) -> Claim | None:
        """Claim a run by what is known of its job by now; None while that is asked."""
        offer = self._offer(self.ownership.require(record.job_name))
        if offer is None:
            return None
        return self.store.claim_one(record.run_id, self.lease.worker_id, offer)

    def _execute_alone(self, claim: Claim) -> None:
        self.engine.execute(self.settler.take([claim]))
        while self.settler.holds:
            self._turn(claiming=False)
            if self.stopping:
                self.engine.interrupt(claim.run_id, claim.attempt, Ending.CANCELLED)
                self._ends = min(self._ends, clock.seconds() + self.settings.kill_grace + LAST)
            if self._hurrying:
                self.engine.kill()
            if clock.seconds() > self._ends:
                raise StoreUnavailable(
                    f"The store does not take how run {claim.run_id} ended. It is kept as running "
                    "until its lease is over, and is lost then: look at the database."
                )


def _due(request: RunRecord) -> float:
    """When a request is due, on the process clock."""
    wait = request.delay
    if request.scheduled_at is not None:
        wait = (request.scheduled_at - clock.now()).total_seconds()
    return clock.seconds() + wait
