"""Helpers for tests of plugins, and of code that submits runs. No worker, no pip, no waiting.

Runs are executed in the process of the test, by the way they go in production: stored, claimed,
executed, settled. With pytest, the fixture ``jobreg`` gives the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..client import Client
from ..errors import JobRegError
from ..handle import Run
from ..lifecycle import State
from ..registry import default_registry
from ..store import open_store
from ..verbs import standing_in
from .clock import FakeClock
from .executor import Executor
from .jobs import Jobs
from .plugins import plugin, write_plugin

__all__ = [
    "FakeClock",
    "Jobs",
    "assert_not_submitted",
    "assert_submitted",
    "inline",
    "plugin",
    "run_pending",
    "stored",
    "submitted",
    "write_plugin",
]

_open: list[Jobs] = []


@contextmanager
def inline(*, raises: bool = False) -> Iterator[Jobs]:
    """Let a submit execute its run at once, here, on a fresh store; for as long as the block lasts.

    The store is that of ``jobreg.submit`` and its sisters, of every client made in the block that
    names no store, and of ``JOBREG_STORE``. A submit returns when its run was executed, with all
    that run submitted in turn: a job's own submits wait until it returns, or waits for one.

    A job that raises does not raise here: its run is failed, and ``run.result()`` tells why. What
    is due later, by a delay or for another try, is executed when the clock is moved. A time limit
    interrupts nothing: a run that moved the clock past it is failed as ``timeout`` once it returns.

    Args:
        raises: raise what made a run fail for good, the job's own exception, at the submit.

    Example:
        >>> import jobreg, jobreg.testing
        >>> with jobreg.testing.inline() as jobs:
        ...     _ = jobs.plugin({"text.number": lambda of: int(of)})
        ...     good, bad = (jobreg.submit("text.number", {"of": each}) for each in ("7", "x"))
        ...     good.result(), bad.state.value, bad.error.type
        (7, 'failed', 'ValueError')
    """
    with _stage(inline=True, raises=raises) as jobs:
        yield jobs


@contextmanager
def stored(*, raises: bool = False) -> Iterator[Jobs]:
    """Let submits only be stored, in a fresh store; :func:`run_pending` executes them.

    All else is as with :func:`inline`.

    Example:
        >>> import jobreg, jobreg.testing
        >>> with jobreg.testing.stored(), jobreg.testing.plugin({"math.add": lambda a, b: a + b}):
        ...     run = jobreg.submit("math.add", {"a": 1, "b": 2})
        ...     _ = jobreg.testing.run_pending()
        ...     run.result()
        3
    """
    with _stage(inline=False, raises=raises) as jobs:
        yield jobs


def run_pending(
    job_name: str | None = None, *, limit: int | None = None, scheduled: bool = False
) -> list[Run]:
    """Execute here what is due, and return those runs. See :meth:`Jobs.run_pending`."""
    return _current("run_pending").run_pending(job_name, limit=limit, scheduled=scheduled)


def submitted(
    job_name: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    queue: str | None = None,
    tags: Iterable[str] = (),
    state: State | str | None = None,
) -> list[Run]:
    """The runs that were submitted, oldest first. See :meth:`Jobs.submitted`."""
    jobs = _current("submitted")
    return jobs.submitted(job_name, params, queue=queue, tags=tags, state=state)


def assert_submitted(
    job_name: str,
    params: Mapping[str, Any] | None = None,
    *,
    times: int | None = None,
    queue: str | None = None,
    tags: Iterable[str] = (),
) -> list[Run]:
    """Fail unless a job was submitted. See :meth:`Jobs.assert_submitted`."""
    __tracebackhide__ = True
    jobs = _current("assert_submitted")
    return jobs.assert_submitted(job_name, params, times=times, queue=queue, tags=tags)


def assert_not_submitted(
    job_name: str,
    params: Mapping[str, Any] | None = None,
    *,
    queue: str | None = None,
    tags: Iterable[str] = (),
) -> None:
    """Fail if a job was submitted. See :meth:`Jobs.assert_not_submitted`."""
    __tracebackhide__ = True
    _current("assert_not_submitted").assert_not_submitted(job_name, params, queue=queue, tags=tags)


def _current(verb: str) -> Jobs:
    if not _open:
        raise JobRegError(
            f"{verb}() was called where neither jobreg.testing.inline() nor stored() is open. "
            "Call it in such a block, or use the pytest fixture 'jobreg'."
        )
    return _open[-1]


@contextmanager
def _stage(*, inline: bool, raises: bool) -> Iterator[Jobs]:
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="jobreg-testing-"))
        file = Path(folder, "jobs.db")
        file.write_bytes(_empty_store())
        opened = open_store(f"sqlite:///{file}", check=False)
        stack.callback(opened.close)
        executor = Executor(opened, default_registry(), inline=inline, raises=raises)
        stack.callback(executor.clock.hold())
        stack.enter_context(_environment("JOBREG_STORE", opened.full_url))
        stack.enter_context(standing_in(executor.store))
        jobs = Jobs(executor, Client(), stack)
        _open.append(jobs)
        stack.callback(_open.remove, jobs)
        yield jobs


@cache
def _empty_store() -> bytes:
    """The file of a store without runs, made once in a process: making one takes 0.2 s."""
    with TemporaryDirectory(prefix="jobreg-testing-") as folder:
        file = Path(folder, "jobs.db")
        open_store(f"sqlite:///{file}").close()
        return file.read_bytes()


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
