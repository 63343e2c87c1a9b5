"""What happens, as it happens: asked of the store once for all who are told.

However many pages and clients follow runs, logs and the whole, a turn asks the store at most for
the runs that anybody follows, for what they logged, and now and then for how the whole stands. So
a store is asked about as often for fifty of them as for one: below twice a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import CapacityLimiter, to_thread
from attrs import define, field, frozen

from .. import clock
from ..errors import StoreError
from ..lifecycle import RunRecord, State
from .lately import FRESH, WHOLE_EVERY, Lately, Whole
from .problems import RETRY_AFTER, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..client import Client
    from ..store import LogRow

T = TypeVar("T")
_LOG = logging.getLogger("jobreg")

TURN = 1.5
"""Seconds between two looks at the runs and logs that somebody follows."""
ALIVE_EVERY = 15.0
"""Seconds after which who was told nothing is told that much, so that nothing between cuts in."""
MOST = 1000
"""Who may follow at the same time."""

THREADS = 8
"""Questions to the store at a time: fewer than it keeps connections."""
_SOON = 0.5
_ROWS = 200


@frozen
class News:
    """What one who follows is told: runs that changed, rows of logs, the whole, or an outage.

    ``down`` says what is wrong with the store, or is empty once it is back.
    """

    runs: Mapping[str, RunRecord] = field(factory=dict)
    rows: Sequence[LogRow] = ()
    whole: Whole | None = None
    down: str | None = None


Place = tuple[int, int]
"""Where in a log somebody is: attempt and number of the last row that was read."""


@define(eq=False)
class _Follower:
    """One who is told: what is wanted, what was seen of it, and what is not told yet.

    Who takes their news late gets them together, the runs and the whole as they are by then.
    """

    run_ids: frozenset[str]
    log_of: str | None
    after: Place
    whole: bool
    seen: dict[str, RunRecord] = field(factory=dict)
    waits: dict[str, Any] = field(factory=dict)
    knows_whole: bool = False
    down: str = ""
    untold: News = field(factory=News)
    told: asyncio.Event = field(factory=asyncio.Event)

    def tell(self, news: News) -> None:
        """Add to what is not told yet."""
        old = self.untold
        self.untold = News(
            {**old.runs, **news.runs},
            (*old.rows, *news.rows),
            old.whole if news.whole is None else news.whole,
            old.down if news.down is None else news.down,
        )
        self.told.set()

    async def take(self) -> News:
        """All that is not told yet, once there is something."""
        await self.told.wait()
        self.told.clear()
        news, self.untold = self.untold, News()
        return news


class Live:
    """Tells those who follow. Belongs to one event loop at a time."""

    def __init__(self, client: Client) -> None:
        self.lately = Lately(client)
        self._client = client
        self._limiter = CapacityLimiter(THREADS)
        self._followers: list[_Follower] = []
        self._turning: asyncio.Task[None] | None = None
        self._new = asyncio.Event()

    async def do(self, verb: Callable[..., T], *arguments: Any) -> T:
        """Do something that may block, in one of a few threads."""
        return await to_thread.run_sync(verb, *arguments, limiter=self._limiter)

    async def follow(
        self,
        run_ids: Collection[str] = (),
        *,
        log_of: str | None = None,
        after: Place = (0, 0),
        whole: bool = False,
    ) -> AsyncGenerator[News | None]:
        """Tell of these runs, of one's log after a place, and of the whole; None: still here.

        What a run is at first is told as well.

        Raises:
            Problem: 503 where too many follow already.
        """
        self.check_room()
        follower = _Follower(frozenset(run_ids), log_of, after, whole)
        with self._among(follower):
            while True:
                try:
                    async with asyncio.timeout(ALIVE_EVERY):
                        news = await follower.take()
                except TimeoutError:
                    yield None
                else:
                    yield news

    def check_room(self) -> None:
        """Refuse who would be one too many to follow.

        Raises:
            Problem: 503.
        """
        if len(self._followers) >= MOST:
            told = f"{MOST} follow already. Ask again in {RETRY_AFTER} s."
            raise Problem(503, "too-many-followers", told, {"Retry-After": str(RETRY_AFTER)})

    @contextmanager
    def _among(self, follower: _Follower) -> Iterator[None]:
        self._followers.append(follower)
        self._new.set()
        if self._turning is None or self._turning.done():
            self._turning = asyncio.create_task(self._turn())
        try:
            yield
        finally:
            self._followers.remove(follower)

    async def _turn(self) -> None:
        """Look and tell, as long as anybody follows."""
        whole_at = waits_at = 0.0
        while self._followers:
            began = clock.seconds()
            self._new.clear()
            try:
                if began - waits_at >= WHOLE_EVERY and await self._tell_of_waits():
                    waits_at = began
                await self._tell_of_runs()
                await self._tell_of_logs()
                if any(each.whole for each in self._followers):
                    # While the store is away each turn asks: only its answer says it is back.
                    away = any(each.down for each in self._followers)
                    anew = away or began - whole_at >= WHOLE_EVERY
                    await self._tell_of_the_whole(anew)
                    whole_at = began if anew else whole_at
            except StoreError as error:
                self._tell_down(str(error))
            except Exception:
                _LOG.exception("those who follow cannot be told")
                self._tell_down("Something went wrong here; the log of the server tells what.")
            else:
                self._tell_down("")
            await self._rest(began)

    async def _rest(self, began: float) -> None:
        """Sleep until the next turn, which comes sooner where somebody new waits for a word."""
        await asyncio.sleep(_SOON)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, began + TURN - clock.seconds())):
                await self._new.wait()

    def _tell_down(self, why: str) -> None:
        for each in self._followers:
            if each.down != why:
                each.down = why
                each.tell(News(down=why))

    async def _tell_of_runs(self) -> None:
        wanted = sorted({run_id for each in self._followers for run_id in each.run_ids})
        if not wanted:
            return
        found = await self.do(self._client.store.several, wanted)
        for each in self._followers:
            changed = {
                run_id: found[run_id]
                for run_id in each.run_ids
                if run_id in found and each.seen.get(run_id) != found[run_id]
            }
            if changed:
                each.seen |= changed
                each.tell(News(runs=changed))

    async def _tell_of_waits(self) -> bool:
        """Tell again of queued runs that wait for something else now; are there any queued?"""
        queued = {
            run_id: each.seen[run_id]
            for each in self._followers
            for run_id in each.run_ids & each.seen.keys()
            if each.seen[run_id].state is State.QUEUED
        }
        if not queued:
            return False
        waits = await self.do(self.lately.waits, list(queued.values()))
        for follower in self._followers:
            mine = {run_id: waits[run_id] for run_id in follower.run_ids & waits.keys()}
            others = {each: queued[each] for each in mine if follower.waits.get(each) != mine[each]}
            follower.waits = mine
            if others:
                follower.tell(News(runs=others))
        return True

    async def _tell_of_logs(self) -> None:
        # Who has not taken what came before is asked for later: no log is held twice in memory.
        ready = [each for each in self._followers if each.log_of and not each.untold.rows]
        furthest: dict[str | None, Place] = {}
        for each in ready:
            furthest[each.log_of] = max(each.after, furthest.get(each.log_of, each.after))
        # Who is behind the others of a log catches up by itself: they do not wait meanwhile.
        behind = [each for each in ready if each.after < furthest[each.log_of]]
        await self._tell_of_rows([each for each in ready if each not in behind])
        await self._tell_of_rows(behind)

    async def _tell_of_rows(self, ready: list[_Follower]) -> None:
        while ready:
            places: dict[str, Place] = {}
            for each in ready:
                assert each.log_of is not None
                places[each.log_of] = min(each.after, places.get(each.log_of, each.after))
            rows = await self.do(self._client.store.logs_of_several, places, _ROWS)
            for each in ready:
                new = [
                    row
                    for row in rows
                    if row.run_id == each.log_of and (row.attempt, row.number) > each.after
                ]
                if new:
                    each.after = new[-1].attempt, new[-1].number
                    each.tell(News(rows=new))
            if len(rows) < _ROWS:
                return
            # They came by run: those after the last of them had no turn.
            last = rows[-1].run_id
            ready = [each for each in ready if each.log_of is not None and each.log_of > last]

    async def _tell_of_the_whole(self, anew: bool) -> None:
        """Tell all who follow it, or those alone who were not told yet, as it was lately."""
        wanting = [each for each in self._followers if each.whole]
        if not anew:
            wanting = [each for each in wanting if not each.knows_whole]
        if wanting:
            whole = await self.whole(at_most=0.0 if anew else WHOLE_EVERY)
            for each in wanting:
                each.knows_whole = True
                each.tell(News(whole=whole))

    async def whole(self, at_most: float = FRESH) -> Whole:
        """How everything stands, at most so many seconds ago."""
        return await self.do(self.lately.whole, at_most)

    async def objects(self, records: Sequence[RunRecord]) -> list[dict[str, Any]]:
        """Runs as they may be shown, as JSON, by what was known some seconds ago."""
        return await self.do(self.lately.objects, records)


async def ticking(stream: AsyncGenerator[str], every: float) -> AsyncGenerator[str | None]:
    """What a stream tells, and None whenever it has told nothing for so many seconds.

    The stream ends with this.
    """
    coming: asyncio.Future[str | None] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(stream, None))
            if not (await asyncio.wait([coming], timeout=every))[0]:
                yield None
                continue
            told, coming = coming.result(), None
            if told is None:
                return
            yield told
    finally:
        if coming is not None and not coming.done():
            coming.cancel()  # which ends the stream where it waits; it cannot be closed meanwhile
        else:
            await stream.aclose()
