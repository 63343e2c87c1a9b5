"""What a test asks of the runs it caused: were they submitted, with what; run what waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import jobreg

from .. import codec
from ..client import Client
from ..errors import BadInput
from ..handle import Run
from ..lifecycle import State
from ..options import count
from .clock import FakeClock
from .executor import Executor
from .plugins import plugin

_SHOWN = 20


class Jobs:
    """A fresh store, and the verbs of a test on it. Made by ``inline()`` and ``stored()``.

    ``submit``, ``submit_many``, ``get`` and ``find`` are those of :mod:`jobreg`. ``client`` is
    for code that wants one; ``clock`` is the :class:`FakeClock`.

    Example:
        >>> import jobreg, jobreg.testing
        >>> with jobreg.testing.stored() as jobs:
        ...     with jobreg.testing.plugin({"mail.send": lambda to: f"sent to {to}"}):
        ...         run = jobreg.submit("mail.send", {"to": "ada"})
        ...         _ = jobs.assert_submitted("mail.send", {"to": "ada"}, times=1)
        ...         print(run.state, [each.result() for each in jobs.run_pending()])
        queued ['sent to ada']
    """

    def __init__(self, executor: Executor, client: Client, stack: ExitStack) -> None:
        self._executor = executor
        self._stack = stack
        self.client = client
        self.clock: FakeClock = executor.clock
        self.submit = client.submit
        self.submit_many = client.submit_many
        self.get = client.get
        self.find = client.find

    def __getattr__(self, name: str) -> NoReturn:
        """Say so where somebody takes the fixture ``jobreg`` for the module it hides."""
        told = f"{type(self).__name__!r} object has no attribute {name!r}"
        if name in jobreg.__all__:
            told += f"; if you mean that of the module, write: from jobreg import {name}"
        raise AttributeError(told, name=name, obj=self)

    @property
    def inline(self) -> bool:
        """Are submits executed at once? May be set: False lets them be stored only."""
        return self._executor.inline

    @inline.setter
    def inline(self, value: bool) -> None:
        self._executor.inline = value

    @property
    def raises(self) -> bool:
        """Is what makes a run fail for good raised where it was submitted? May be set."""
        return self._executor.raises

    @raises.setter
    def raises(self, value: bool) -> None:
        self._executor.raises = value

    def plugin(
        self,
        jobs: Mapping[str, Callable[..., object] | str],
        *,
        dist: str | None = None,
        version: str = "1.0",
        modules: Mapping[str, str] | None = None,
    ) -> Path:
        """Have a plugin installed to the end of the block or test. See :func:`plugin`."""
        return self._stack.enter_context(plugin(jobs, dist=dist, version=version, modules=modules))

    def run_pending(
        self, job_name: str | None = None, *, limit: int | None = None, scheduled: bool = False
    ) -> list[Run]:
        """Execute here what is due, in the order a worker would take it, and return those runs.

        What these runs submit is executed too.

        Args:
            job_name: only runs of this job.
            limit: at most this many attempts.
            scheduled: also what is due later (delays, retries): the clock is moved to it.
        """
        most = None if limit is None else count(limit, "limit", least=0)
        ids = self._executor.drain(job_name, most, scheduled=scheduled)
        return [self.client.get(run_id) for run_id in ids]

    def submitted(
        self,
        job_name: str | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        queue: str | None = None,
        tags: Iterable[str] = (),
        state: State | str | None = None,
    ) -> list[Run]:
        """The runs that were submitted, oldest first: all, or those that fit what is given.

        Args:
            job_name: the job they are of.
            params: parameters they have, among others.
            queue: where they wait, or waited; a job's own queue counts once it was claimed.
            tags: tags they have, among others.
            state: where they are now.
        """
        wanted = codec.decode(codec.encode_params(params, self.client.settings.max_params))
        labels = set(_listed(tags))
        found = reversed(list(self.client.find(job_name=job_name, state=state)))
        return [
            run
            for run in found
            if codec.same({**run.params, **wanted}, run.params)  # true is not 1
            and queue in (None, run.record.queue)
            and labels <= set(run.record.tags)
        ]

    def assert_submitted(
        self,
        job_name: str,
        params: Mapping[str, Any] | None = None,
        *,
        times: int | None = None,
        queue: str | None = None,
        tags: Iterable[str] = (),
    ) -> list[Run]:
        """Fail unless a job was submitted, as often as ``times`` says, or at least once.

        Args are those of :meth:`submitted`; returns the runs, oldest first.

        Raises:
            AssertionError: it was not; the message lists what was submitted instead.
        """
        __tracebackhide__ = True
        tags = _listed(tags)
        runs = self.submitted(job_name, params, queue=queue, tags=tags)
        if len(runs) == times or (times is None and runs):
            return runs
        wish = "at least once" if times is None else _times(times)
        told = f"{wish}, and was {_times(len(runs))}"
        raise AssertionError(self._told(job_name, params, queue, tags, told))

    def assert_not_submitted(
        self,
        job_name: str,
        params: Mapping[str, Any] | None = None,
        *,
        queue: str | None = None,
        tags: Iterable[str] = (),
    ) -> None:
        """Fail if a job was submitted. Args are those of :meth:`submitted`.

        Raises:
            AssertionError: it was; the message lists what was submitted.
        """
        __tracebackhide__ = True
        self.assert_submitted(job_name, params, times=0, queue=queue, tags=tags)

    def _told(
        self,
        job_name: str,
        params: Mapping[str, Any] | None,
        queue: str | None,
        tags: list[str],
        told: str,
    ) -> str:
        runs = self.submitted()
        said = {"params": params, "queue": queue, "tags": tags}
        given = "".join(f" {key}={value!r}" for key, value in said.items() if value)
        lines = [f"{job_name!r}{given} should have been submitted {told}."]
        names = {run.job_name for run in runs}
        close = get_close_matches(job_name, names - {job_name}, n=1)
        if close and job_name not in names:
            lines.append(f"Did you mean {close[0]!r}?")
        lines.append("These runs were submitted:" if runs else "Nothing was submitted.")
        lines += [f"  {_line(run)}" for run in runs[:_SHOWN]]
        if len(runs) > _SHOWN:
            lines.append(f"  ... and {len(runs) - _SHOWN} more")
        return "\n".join(lines)


def _listed(tags: Iterable[str]) -> list[str]:
    if isinstance(tags, str):
        raise BadInput(f"tags: {tags[:80]!r} is not a list of short texts.")
    return list(tags)


def _times(number: int) -> str:
    return {0: "never", 1: "once"}.get(number, f"{number} times")


def _line(run: Run) -> str:
    tags = f" tags={','.join(run.record.tags)}" if run.record.tags else ""
    params = codec.clip(run.record.params, 200)
    return f"{run.job_name} {params} queue={run.record.queue}{tags} {run.state}"
