"""Takes queued runs by name: only those this worker can run now, and as many as it needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .. import clock
from ..catalogue import Catalogue, Entry, Hello
from ..engines.base import Engine, Room
from ..events import emit
from ..lifecycle import Claim, Lane, Provider
from ..registry import JobRef
from ..store import Offer, Store
from ..store.lending import Lent
from ..store.offers import Pair
from .ownership import Ownership

WORK_IN_HAND = 0.05
"""Seconds of work to hold beyond what runs, so that a child never waits for the database."""
MOST_IN_HAND = 2700
"""Of the shortest runs: 50 ms of a child's time, and with all that the store does a fifth of a
second. With fewer the child stands still while the worker settles.
"""
REST = 0.25
"""Seconds for which a name rests of which a claim was given back unbegun."""


class Claimer:
    """Claims for one worker. A job it does not know yet is probed first, and claimed after."""

    def __init__(
        self, store: Store, ownership: Ownership, engine: Engine, queues: Sequence[str]
    ) -> None:
        self._store = store
        self._ownership = ownership
        self._engine = engine
        self._queues = queues
        self._catalogue = Catalogue()
        self._probing: set[str] = set()
        self._resting: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._in_hand = 0
        self._ready: list[Offer] | None = None
        self.usual: list[Pair] = []
        """The one pair in which runs waited, when some did last; none where there were several."""
        self.among_suspects = False
        """Was the last claim a suspect? Then one run is claimed at a time: a suspect runs alone."""

    @property
    def waits(self) -> bool:
        """Is there a name whose probe is not answered, or that rests?"""
        return bool(self._probing or self._resting)

    def rest(self, job_name: str) -> None:
        """Leave a name alone for a moment: a claim of it was given back unbegun."""
        self.unmake()
        self._resting[job_name] = clock.seconds() + REST

    def rested(self) -> bool:
        """Has a name's rest come to its end since this was last asked?"""
        if not self._resting:
            return False
        before, now = len(self._resting), clock.seconds()
        self._resting = {name: until for name, until in self._resting.items() if until > now}
        return len(self._resting) < before

    def learn(self, hello: Hello) -> None:
        """Take the answer to a probe, or what a run of an unread job brought."""
        self.unmake()
        self._probing.discard(hello.job_name)
        if hello.options is None:
            self.rest(hello.job_name)
        self._catalogue.learn(hello)
        entry = Entry.of(hello)
        if entry is not None and self._ownership.ref(hello.job_name) is not None:
            self._ownership.learn(entry)
        if hello.trouble is not None and hello.options is not None:
            emit("job.unready", job_name=hello.job_name, trouble=hello.trouble)

    def timed(self, job_name: str, seconds: float) -> None:
        """Note how long a run took, for the size of the next claims."""
        known = self._seconds.get(job_name, seconds)
        self._seconds[job_name] = 0.8 * known + 0.2 * seconds

    def wants(self) -> bool:
        """Is there room, or, while claims in hand keep beginning, too little in hand?"""
        return self._engine.room() > 0 or 0 < self._engine.backlog() < self._in_hand // 2

    def claim(
        self,
        worker_id: str,
        *,
        alone: bool,
        told: Collection[Pair] | None = None,
        by: Lent | None = None,
    ) -> list[Claim] | None:
        """Claim what there is room for, ready to execute; None when this worker is fenced.

        ``alone``: it holds nothing, and so may take a suspect. Where nothing was due but what it
        was ``told`` of, that is taken before it is looked what else is, and ``by`` the connection
        that told it, if one did.
        """
        self._ownership.tell()
        ready, self._ready = self._ready, None
        if told:
            pairs = list(told)
            offers = ready if ready is not None and pairs == self.usual else self._offers(pairs)
            if claims := self._claim(worker_id, pairs, offers, alone, told=True, by=by):
                return claims
        pairs = self._store.due()
        if pairs:
            self.usual = pairs if len(pairs) == 1 else []
        return self._claim(worker_id, pairs, self._offers(pairs), alone)

    def claim_expected(self, worker_id: str) -> list[Claim] | None:
        """Claim where something waited last, if nothing waits elsewhere; else nothing."""
        offers = self._offers(self.usual) if self._ready is None else self._ready
        claims = self._claim(worker_id, self.usual, offers, True, told=True)
        if claims:
            self._ready = None
        return claims

    def make_ready(self) -> None:
        """Make the offer for where something waited last: who is woken by a submit has it then.

        Of a job that is to be probed first there is none.
        """
        if self._ready is None and all(map(self._is_known, self.usual)):
            self._ready = self._offers(self.usual)

    def _is_known(self, pair: Pair) -> bool:
        ref = self._ownership.ref(pair[1])
        return ref is None or self._hello(ref) is not None

    def unmake(self) -> None:
        """What was made ready may no longer be so."""
        self._ready = None

    def _claim(
        self,
        worker_id: str,
        pairs: Sequence[Pair],
        offers: list[Offer],
        alone: bool,
        *,
        told: bool = False,
        by: Lent | None = None,
    ) -> list[Claim] | None:
        self._in_hand = max([offer.ahead for offer in offers], default=0)
        if not offers:
            return []
        return self._store.claim(
            worker_id, pairs, offers, self._queues, alone=alone, told=told, by=by
        )

    def offer(self, ref: JobRef) -> Offer | None:
        """What this worker knows of a job and would take of it; None while it is probing it."""
        provider = Provider(ref.dist, ref.version)
        hello = self._hello(ref)
        if hello is not None and hello.options is not None:
            options = self._ownership.options(ref.name, hello.options)
            unread = hello.trouble is not None
            return Offer(ref.name, ref.target, provider, options, unread=unread)
        if ref.name not in self._probing and ref.name not in self._resting:
            self._probing.add(ref.name)
            self._engine.probe(ref.name, ref.target, provider)
        return None

    def _hello(self, ref: JobRef) -> Hello | None:
        return self._catalogue.hello(ref.name, Provider(ref.dist, ref.version))

    def _offers(self, pairs: Sequence[Pair]) -> list[Offer]:
        """Offers for those of the names that this worker can run and knows, and has room for."""
        names: Collection[str] = {name for _, name in pairs}
        if self._resting:
            names = [name for name in names if name not in self._resting]
        found = list[tuple[Lane, Offer]]()
        for name in names:
            ref = self._ownership.ref(name)
            offer = None if ref is None else self.offer(ref)
            if offer is not None:
                found.append((offer.lane, offer))
        rooms = self._engine.rooms({lane for lane, _ in found})
        within = [self._within(offer, rooms[lane]) for lane, offer in found if lane in rooms]
        return [offer for offer in within if offer.most > 0]

    def _within(self, offer: Offer, room: Room) -> Offer:
        """As many runs of a job as there is room for, and as are to be held beyond that."""
        ahead = self._ahead(offer.job_name) if room.ahead else 0
        most = max(0, room.total) + max(0, min(0, room.total) + ahead)
        # Each by its place: to replace some by name takes twice as long, for every name.
        own = offer.job_name, offer.target, offer.provider, offer.options
        if self.among_suspects:
            return Offer(*own, min(most, 1), unread=offer.unread)
        return Offer(*own, most, most - room.total, room.places, room.fill, offer.unread)

    def _ahead(self, job_name: str) -> int:
        """How many runs of a job to hold beyond those that run: none until it is measured."""
        seconds = self._seconds.get(job_name)
        if seconds is None:
            return 0
        return min(MOST_IN_HAND, int(WORK_IN_HAND / max(seconds, 1e-6)))
