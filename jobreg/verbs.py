"""The verbs on the client of this process: what ``import jobreg`` gives to most."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Unpack
from uuid import UUID

from . import client, settings
from .client import Client
from .handle import Run
from .options import Duration
from .request import UniquePolicy
from .selection import Filters

if TYPE_CHECKING:
    from .store import Store

_default: Client | None = None
_default_made = threading.Lock()


@contextmanager
def standing_in(store: Store) -> Iterator[None]:
    """Let clients that are given no store take this one for a while; for :mod:`jobreg.testing`."""
    global _default
    before = _default, client.stand_in
    _default, client.stand_in = None, store
    try:
        yield
    finally:
        _default, client.stand_in = before


def default_client() -> Client:
    """The client of this process, on the store that the settings name; made on first use."""
    global _default
    with _default_made:
        wanted = settings.load().store
        if _default is None or _default.settings.store != wanted:
            _default = Client()
        return _default


def submit(
    job_name: str,
    params: Mapping[str, Any] | None = None,
    *,
    delay: Duration | None = None,
    at: datetime | None = None,
    queue: str | None = None,
    priority: int | None = None,
    timeout: Duration | None = None,
    max_attempts: int | None = None,
    max_crashes: int | None = None,
    max_age: Duration | None = None,
    run_id: str | UUID | None = None,
    tags: Iterable[str] = (),
    unique_key: str | None = None,
    unique_policy: UniquePolicy = "return",
    connection: object = None,
) -> Run:
    """Ask for one run of a job, by its name, and return the run's handle.

    Args:
        job_name: the static name the job is advertised under.
        params: the job's parameters by name, as JSON can hold them (at most 256 KiB).
        delay: not before this long from now: seconds, or ``"90s"``, ``"5m"``, ``"2h"``, ``"1d"``.
        at: not before this moment; a datetime with a time zone.
        queue: where it waits; by default the job's own, else ``default``.
        priority: higher first; by default the job's own, else 0.
        timeout: longest attempt; by default the job's own.
        max_attempts: tries before it is failed; by default the job's own.
        max_crashes: deaths of its process before it is failed; by default the job's own.
        max_age: once it has been due for longer it is not begun, but failed, reason ``expired``;
            by default the job's own.
        run_id: any UUID; a repeated submit with the same id, job and params returns that run.
        tags: at most 20 short texts, kept with it.
        unique_key: a text of at most 256 characters; of the runs of a job with one key only one
            may be unfinished. By default what the job's ``@job(unique=...)`` makes of ``params``.
        unique_policy: what to do where an unfinished run has the key: ``"return"`` that run,
            ``"replace"`` it (it is cancelled, reason ``replaced``; where it runs, its worker ends
            it), or ``"reject"`` this one with a Conflict.

    Raises:
        UnknownJob: neither this installation nor a live worker knows the name.
        JobConflict: two installed distributions claim the name.
        BadInput: a value cannot be used.
        Conflict: ``run_id`` is there with another job or other params, or an unfinished run has
            the unique key and this one is to be rejected.
        StoreUnavailable: the database cannot be reached; nothing was written.

    Example:
        >>> import jobreg
        >>> jobreg.submit("no.such_job")
        Traceback (most recent call last):
        ...
        jobreg.errors.UnknownJob: No job named 'no.such_job' is installed here. ...
    """
    return default_client().submit(
        job_name, params, delay=delay, at=at, queue=queue, priority=priority, timeout=timeout,
        max_attempts=max_attempts, max_crashes=max_crashes, max_age=max_age, run_id=run_id,
        tags=tags, unique_key=unique_key, unique_policy=unique_policy, connection=connection,
    )  # fmt: skip


def submit_many(
    runs: Iterable[tuple[str, Mapping[str, Any] | None] | Mapping[str, Any]],
    *,
    connection: object = None,
) -> list[Run]:
    """Ask for many runs at once, all or none, and return their handles in order.

    Each is a pair ``(job_name, params)``, or a mapping with ``job_name``, ``params`` and any of
    :func:`submit`'s options. ``connection`` is as there.

    Raises:
        BadInput: some cannot be used; the message says which and why. Nothing is stored.
    """
    return default_client().submit_many(runs, connection=connection)


def get(run_id: str | UUID) -> Run:
    """Read one run.

    Raises:
        UnknownRun: the store holds no run with this id.
        BadInput: the id is no UUID.
    """
    return default_client().get(run_id)


def find(*, limit: int | None = None, **filters: Unpack[Filters]) -> Iterator[Run]:
    """Iterate over runs, newest first, read page by page.

    Each filter given must hold:

    Args:
        job_name: only runs of this job, under any of the names it has here (its aliases); or of
            all known jobs whose names begin so: ``"reports.*"``.
        state: only runs in this state, such as ``"failed"``. Unfinished runs come in the order
            in which they became due, the last first.
        reason: only runs that failed or were cancelled for this reason, such as ``"timeout"``.
        queue: only runs that wait in this queue, or did last.
        provider: only runs whose last attempt was of this distribution.
        version: only runs whose last attempt was of this version of its distribution.
        unique_key: only runs that were submitted with this key.
        tags: only runs that have all these tags.
        since, until: only runs submitted from, and before, this moment: a datetime with a time
            zone, or how long ago, in seconds or as ``"2h"``.
        params: only runs with these parameter values, by name or dotted path
            (``{"account.id": 42}``); wants ``job_name`` or ``since`` too.
        limit: at most this many in all; no bound by default.

    Raises:
        BadInput: a filter cannot be used, such as a state there is not.
    """
    return default_client().find(limit=limit, **filters)
