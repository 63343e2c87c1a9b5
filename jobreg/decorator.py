"""``@job``: marks a function as a job and returns it unchanged.

A file of its own, because every plugin imports it: the options are checked by
:mod:`jobreg.options`, which is loaded when the first function is decorated that has any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .options import Backoff, Duration

    F = TypeVar("F", bound=Callable[..., object])

MARK = "__jobreg_options__"


@overload
def job(function: F, /) -> F: ...


@overload
def job(
    *,
    name: str | None = None,
    queue: str | None = None,
    priority: int | None = None,
    timeout: Duration | None = None,
    max_attempts: int = 1,
    max_crashes: int = 3,
    backoff: Backoff | None = None,
    retry_on: type[Exception]
    | Iterable[type[Exception]]
    | Mapping[type[Exception], Backoff | None] = (),
    give_up_on: type[Exception] | Iterable[type[Exception]] = (),
    max_age: Duration | None = None,
    isolation: Literal["warm", "fresh"] = "warm",
    engine: Literal["processes", "threads", "asyncio"] | None = None,
    concurrency: int | None = None,
    unique: bool | str | Sequence[str] | None = None,
    redact: str | Iterable[str] = (),
) -> Callable[[F], F]: ...


def job(function: F | None = None, /, **options: object) -> F | Callable[[F], F]:
    """Mark a function as a job; calling it still simply runs it.

    Args:
        name: the job name this function must be advertised under; checked when it is loaded.
        queue: where its runs wait, unless the submitter says otherwise (``default``).
        priority: higher runs first, unless the submitter says otherwise (0).
        timeout: longest run, in seconds or as ``"90s"``, ``"5m"``, ``"2h"``, ``"1d"``; no limit
            by default.
        max_attempts: tries (errors and timeouts) before a run is failed.
        max_crashes: deaths of the process before a run is failed. With ``max_attempts=1`` and
            ``max_crashes=1`` a run is started at most once.
        backoff: the wait between tries; by default 1 s doubling to 10 min, full jitter.
        retry_on: exception classes (and their subclasses) worth another try; all by default. A
            mapping gives each a :class:`Backoff` of its own (None: that of the job).
        give_up_on: exception classes (and their subclasses) that fail the run at once. Of all
            classes named here and in ``retry_on`` the closest to the error's own counts.
        max_age: a run that has been due for longer is not begun: it is failed, reason
            ``expired``; no limit by default.
        isolation: ``"fresh"`` gives each run a process of its own; by default a process runs many.
        engine: ``"threads"`` lets many runs of a job that waits (for servers, for files) share a
            process, each in a thread; ``"asyncio"``, which is what an ``async def`` is unless told
            otherwise, has them share an event loop; ``"processes"``, the default of all others,
            gives each a process that executes nothing else meanwhile.
        concurrency: most runs of this job at one time, over all workers of the store.
        unique: one unfinished run at a time with the same parameters (True), or with the same
            values of those named. It acts once the store has met the job (a worker or ``jobreg
            jobs sync`` tells it); a ``unique_key`` given to ``submit`` stands before it.
        redact: names of parameters whose values are secrets: not shown by the command line, and
            replaced in logs, errors and messages of progress. The store holds them as they are.

    Raises:
        BadInput: an option has a value it cannot have.

    Example:
        >>> from jobreg import job
        >>> @job(timeout="5m", max_attempts=3)
        ... def render(account: int) -> str:
        ...     return f"report of {account}"
        >>> render(42)
        'report of 42'
    """
    from .errors import BadInput, InvalidJob

    if function is not None and not callable(function):
        raise BadInput(f"@job({function!r}): give the name as @job(name={function!r}).")
    checked = None
    if options:
        from .options import JobOptions

        checked = JobOptions.of(**options)

    def mark(function: F) -> F:
        if not callable(function):
            raise InvalidJob(f"@job was put on a {type(function).__name__}, not on a function.")
        setattr(function, MARK, checked)
        return function

    return mark if function is None else mark(function)
