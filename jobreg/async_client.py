"""The client for asyncio: the verbs of :class:`jobreg.Client`, done by a few threads of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, Unpack
from uuid import UUID

from .client import PAGE, Client
from .errors import BadInput, UnknownRun, WaitTimeout
from .following import POLL, not_over
from .handle import Run, Shown, value_of
from .lifecycle import Attempt, LogLine, RunRecord
from .options import Duration, seconds
from .request import SubmitOptions, checked_run_id, listed, many_requests
from .selection import Filters

if TYPE_CHECKING:
    from .registry import Registry
    from .store import Store
    from .store.database import Watch

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8
"""Verbs at a time: fewer than a store keeps connections, so that none waits for one."""


class AsyncClient:
    """The verbs of :class:`Client` as coroutines, with the same arguments, results and errors.

    It may be shared by the tasks of an event loop, and used by one loop after another. Where
    :class:`Client` takes a ``connection`` this takes an AsyncConnection or AsyncSession of
    SQLAlchemy, with whatever driver.

    Args:
        store: as of :class:`Client`.
        registry: as of :class:`Client`.

    Example:
        >>> import asyncio, jobreg, tempfile
        >>> async def main():
        ...     async with jobreg.AsyncClient(tempfile.mkdtemp() + "/jobs.db") as client:
        ...         return [run.id async for run in client.find(state="queued")]
        >>> asyncio.run(main())
        []
    """

    def __init__(
        self, store: str | os.PathLike[str] | Store | None = None, registry: Registry | None = None
    ) -> None:
        self.client = Client(store, registry)
        self._pid = 0
        self._awaited = _Awaited(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the store's connections and of the threads; the next use makes them again."""
        await self.do(self.client.close)
        threads, self._pid = self._threads, 0
        threads.shutdown(wait=False)

    async def do(self, verb: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Do something that blocks in one of the threads."""
        if self._pid != os.getpid():  # threads do not outlive a fork
            self._threads, self._pid = ThreadPoolExecutor(THREADS, "jobreg-async"), os.getpid()
        call = partial(copy_context().run, verb, *arguments, **options)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def submit(
        self,
        job_name: str,
        params: Mapping[str, Any] | None = None,
        *,
        connection: object = None,
        **options: Unpack[SubmitOptions],
    ) -> AsyncRun:
        """Ask for one run of a job and return its handle. See :func:`jobreg.submit`."""
        if connection is None:
            return self._of(await self.do(partial(self.client.submit, job_name, params, **options)))
        record = self.client.request(job_name, params, **options)
        return (await self._insert_beside([record], connection))[0]

    async def submit_many(
        self,
        runs: Iterable[tuple[str, Mapping[str, Any] | None] | Mapping[str, Any]],
        *,
        connection: object = None,
    ) -> list[AsyncRun]:
        """Ask for many runs, all or none. See :func:`jobreg.submit_many`."""
        if connection is None:
            return [self._of(run) for run in await self.do(self.client.submit_many, runs)]
        return await self._insert_beside(
            many_requests(listed(runs), self.client.settings.max_params), connection
        )

    async def _insert_beside(
        self, records: Sequence[RunRecord], connection: object
    ) -> list[AsyncRun]:
        from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

        if not isinstance(connection, AsyncConnection | AsyncSession):
            raise BadInput(
                f"connection: a {type(connection).__name__} is neither an AsyncConnection nor an "
                "AsyncSession of SQLAlchemy. Others are for jobreg.Client."
            )
        ready = await self.do(self.client.ready, records)
        insert = self.client.store.insert
        stored = await connection.run_sync(lambda given: insert(ready, given))
        return [AsyncRun(self, record) for record in stored]

    async def get(self, run_id: str | UUID) -> AsyncRun:
        """Read one run. See :func:`jobreg.get`."""
        return self._of(await self.do(self.client.get, run_id))

    async def find_id(self, text: str) -> str:
        """The whole id of the one run whose id begins so. See :meth:`Client.find_id`."""
        return await self.do(self.client.find_id, text)

    async def find(
        self, *, limit: int | None = None, **filters: Unpack[Filters]
    ) -> AsyncIterator[AsyncRun]:
        """Iterate over runs, newest first, read page by page. See :func:`jobreg.find`."""
        found = await self.do(partial(self.client.find, limit=limit, **filters))
        async for run in self._iterate(found, PAGE):
            yield self._of(run)

    async def page(
        self, *, limit: int = PAGE, cursor: str | None = None, **filters: Unpack[Filters]
    ) -> tuple[list[AsyncRun], str | None]:
        """One page of runs and the cursor of the next. See :meth:`Client.page`."""
        asked = partial(self.client.page, limit=limit, cursor=cursor, **filters)
        runs, following = await self.do(asked)
        return [self._of(run) for run in runs], following

    async def cancel(self, run_id: str | UUID) -> AsyncRun:
        """Cancel a run. See :meth:`Client.cancel`."""
        return self._of(await self.do(self.client.cancel, run_id))

    async def retry(self, run: AsyncRun | str | UUID) -> AsyncRun:
        """Queue a failed or cancelled run again. See :meth:`Run.retry`."""
        asked = run.id if isinstance(run, AsyncRun) else run
        return self._of(await self.do(self.client.retry, asked))

    async def wait_for(
        self,
        run_id: str | UUID,
        timeout: Duration | None = None,
    ) -> RunRecord:
        """Wait until a run is over and return its record. See :meth:`Run.wait`."""
        longest = None if timeout is None else seconds(timeout, "timeout")
        wanted = checked_run_id(run_id)
        try:
            async with asyncio.timeout(longest):
                return await self._awaited.record(wanted)
        except WaitTimeout:  # it would never end, as who stands in for a store knows
            raise
        except TimeoutError:
            assert longest is not None
            record = (await self.get(wanted)).record
            if record.state.final:
                return record
            raise not_over(record, longest) from None

    async def logs(
        self,
        run_id: str | UUID,
        *,
        attempt: int | None = None,
        level: str | None = None,
        follow: bool = False,
    ) -> AsyncIterator[LogLine]:
        """Iterate over what a run printed and logged. See :meth:`Run.logs`."""
        asked = partial(self.client.log_steps, run_id, attempt=attempt, level=level, follow=follow)
        async for line in self._iterate(await self.do(asked), 1 if follow else PAGE):
            if line is None:
                await asyncio.sleep(POLL)
            else:
                yield line

    async def waiting_on(self, records: Sequence[RunRecord]) -> dict[str, str | None]:
        """For each run id, why it waits. See :meth:`Client.waiting_on`."""
        return await self.do(self.client.waiting_on, records)

    async def _iterate(self, found: Iterator[T], at_once: int) -> AsyncIterator[T]:
        while some := await self.do(lambda: list(islice(found, at_once))):
            for each in some:
                yield each

    def _of(self, run: Run) -> AsyncRun:
        return AsyncRun(self, run.record)


class AsyncRun(Shown):
    """The handle over one run, as :class:`Run`; what asks the store is a coroutine."""

    def __init__(self, client: AsyncClient, record: RunRecord) -> None:
        super().__init__(record)
        self._client = client

    async def refresh(self) -> AsyncRun:
        """Read the run again and return self."""
        self.record = (await self._client.get(self.id)).record
        return self

    async def wait(self, timeout: Duration | None = None) -> AsyncRun:
        """Wait until the run is over and return self. See :meth:`Run.wait`."""
        self.record = await self._client.wait_for(self.id, timeout)
        return self

    async def result(self, timeout: Duration | None = None) -> Any:
        """Wait until the run is over and return what the job returned. See :meth:`Run.result`."""
        return value_of((await self.wait(timeout)).record)

    async def cancel(self) -> AsyncRun:
        """Cancel the run. See :meth:`Run.cancel`."""
        self.record = (await self._client.cancel(self.id)).record
        return self

    async def retry(self) -> AsyncRun:
        """Queue the run again, or submit a copy and return that. See :meth:`Run.retry`."""
        again = await self._client.retry(self)
        if again.id != self.id:
            return again
        self.record = again.record
        return self

    async def attempts(self) -> list[Attempt]:
        """The attempts so far, oldest first."""
        return await self._client.do(self._client.client.store.attempts, self.id)

    async def waiting_on(self) -> str | None:
        """Why it waits. See :meth:`Run.waiting_on`."""
        return (await self._client.waiting_on([self.record]))[self.id]

    def logs(
        self, *, attempt: int | None = None, level: str | None = None, follow: bool = False
    ) -> AsyncIterator[LogLine]:
        """Iterate over what the run printed and logged. See :meth:`Run.logs`."""
        return self._client.logs(self.id, attempt=attempt, level=level, follow=follow)


class _Awaited:
    """The runs that tasks wait for, looked at together: one question for all of them."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._wanted: dict[str, set[asyncio.Future[RunRecord]]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._new = False

    async def record(self, run_id: str) -> RunRecord:
        """Wait until a run is over."""
        loop = asyncio.get_running_loop()
        if self._looking is None or self._looking.done() or self._looking.get_loop() is not loop:
            # Of a loop that is over nobody waits any more.
            self._wanted = {}
            self._looking = loop.create_task(self._look())
        future: asyncio.Future[RunRecord] = loop.create_future()
        self._wanted.setdefault(run_id, set()).add(future)
        self._new = True
        try:
            return await future
        finally:
            rest = self._wanted.get(run_id, set())
            rest.discard(future)
            if not rest:
                self._wanted.pop(run_id, None)

    async def _look(self) -> None:
        watch: Watch | None = None
        try:
            store = await self._client.do(lambda: self._client.client.store)
            watch = store.watch()
            while self._wanted:
                # Who is new is told first how his run is: it may be over, and nothing change.
                if self._new or await self._client.do(watch.changed):
                    self._new = False
                    asked = list(self._wanted)
                    self._tell(asked, await self._client.do(store.several, asked))
                await asyncio.sleep(POLL)
        except Exception as error:
            for future in [each for waiting in self._wanted.values() for each in waiting]:
                if not future.done():
                    future.set_exception(error)
        finally:
            if watch is not None:
                watch.close()

    def _tell(self, asked: Sequence[str], found: Mapping[str, RunRecord]) -> None:
        for run_id in asked:
            record = found.get(run_id)
            for future in self._wanted.get(run_id, ()):
                if future.done():
                    continue
                if record is None:
                    future.set_exception(
                        UnknownRun(
                            f"No run {run_id} in the store {self._client.client.store.url}. "
                            "See: jobreg runs list"
                        )
                    )
                elif record.state.final:
                    future.set_result(record)
