"""One claim becomes one outcome. Knows no store; runs in an engine's child."""

from __future__ import annotations

import inspect
import sys
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, NoReturn

from attrs import evolve

from . import clock, codec
from .catalogue import CAREFUL, Hello
from .context import Control, CurrentRun
from .errors import (
    BadInput,
    CancelRun,
    Interrupted,
    JobLoadError,
    ParamsRefused,
    ResultRefused,
    RetryLater,
    Snooze,
)
from .lifecycle import Claim, Ending, ErrorReport, Outcome, Progress, Provider, Reason
from .options import DEFAULTS, JobOptions, engine_of, options_of, seconds
from .redaction import NOTHING, Redaction
from .registry.load import load
from .signature.binding import Arguments, Binder
from .signature.reading import read
from .signature.refusal import hiding

_WAY_IN = ("jobreg", "importlib")
_binders: dict[str, tuple[object, Binder]] = {}
_begun: dict[str, int] = {}
"""When the first import of each module of jobs began here, in nanoseconds since 1970."""
_trusted: set[str] = set()
"""The modules of which it was seen that no installation fell into their import."""

Moved = Callable[[str, str, Provider | None, JobLoadError | None, int], bool]
"""Asked after an import: see :func:`.registry.motion.was_moved`."""


class NotYetError(Exception):
    """The import fell into an installation, or the job is to be introduced first."""


class Loaded(NamedTuple):
    """A job that was imported: what to call, with what, and what is said of it in messages."""

    function: Callable[..., object]
    options: JobOptions
    binder: Binder
    who: str


def execute(
    claim: Claim,
    control: Control,
    report: Callable[[Progress], None],
    *,
    max_result: int,
    max_error: int,
    redact: str | None = None,
    raised: Callable[[BaseException], None] = lambda _: None,
    was_moved: Moved = lambda *_: False,
    loaded: dict[str, Loaded] | None = None,
) -> Outcome:
    """Run a claimed job here and say what happened; raises nothing the job raised.

    ``control`` and ``report`` tie the run to the one who minds it; the caps are bytes.
    ``redact`` is the pattern of what no error may show. ``raised`` is shown what the job raised,
    for who executes it in a process of somebody else's. Where ``was_moved`` says that the import
    fell into an installation, the claim is given back unbegun; so is one of an unread job that can
    be read now. What is in ``loaded`` was loaded here before, and stands there for as long as the
    process lives.
    """
    execution = Execution(
        claim, control, report, max_result, max_error, redact, raised, was_moved, loaded
    )
    execution.go()
    return execution.outcome()


class Execution:
    """The steps of a run; as a context manager it makes of whatever a step raises its outcome."""

    def __init__(
        self,
        claim: Claim,
        control: Control,
        report: Callable[[Progress], None],
        max_result: int,
        max_error: int,
        redact: str | None = None,
        raised: Callable[[BaseException], None] = lambda _: None,
        was_moved: Moved = lambda *_: False,
        loaded: dict[str, Loaded] | None = None,
    ) -> None:
        self._claim = claim
        self._control = control
        self._max_result, self._max_error = max_result, max_error
        self._raised, self._was_moved = raised, was_moved
        self._redaction = Redaction.of(claim.params, claim.options.redact, redact)
        self._run = CurrentRun(claim, control, report, self._redaction)
        self._options = DEFAULTS
        self._begun = clock.seconds()
        self._said: dict[str, Any] | None = None
        self._loaded = {} if loaded is None else loaded
        self.hello: Hello | None = None
        """What was learned of an unread job; the claim is then given back unbegun."""

    def go(self) -> None:
        """All steps, one after the other, in this thread."""
        with self:
            function, arguments = self.load()
            self.begin()
            try:
                self.take(call(function, arguments))
            except BaseException as error:
                self._fail(error)  # within its run: what an error says of itself is the job's code
            finally:
                self.end()

    def load(self) -> tuple[Callable[..., object], Arguments]:
        """Import the function, and bind what the claim has for it."""
        loaded, took = self._loaded.get(self._claim.job_name), None
        if loaded is None:
            loaded = self._loaded[self._claim.job_name] = self._import()
            took = clock.seconds() - self._begun
        if self._claim.unread:
            self._introduce(loaded, took)
        function, self._options, self._binder, who = loaded
        params = codec.decode(self._claim.params)
        if self._redaction is NOTHING:
            return function, self._binder.bind(params, who)
        with hiding(self._redaction.text):
            return function, self._binder.bind(params, who)

    def _import(self) -> Loaded:
        claim = self._claim
        function = _whole(claim.job_name, claim.target, claim.provider, self._was_moved)
        self._options = options_of(function)  # also for what follows where it cannot be read
        binder = binder_of(function, claim.job_name)
        return Loaded(function, self._options, binder, _who(claim.job_name, claim.provider))

    def _introduce(self, loaded: Loaded, seconds: float | None) -> NoReturn:
        """Tell of a job what its probe could not, before any run of it begins."""
        name, provider = self._claim.job_name, self._claim.provider
        assert provider is not None
        self.hello = _hello_of(name, provider, loaded.function, loaded.binder, seconds)
        raise NotYetError

    def begin(self) -> None:
        """The job's own code runs from now on."""
        self._begun = self._run.begin()

    def end(self) -> None:
        """The job's own code is over."""
        self._run.end()

    def take(self, value: object) -> None:
        """Take what the job returned; within its run, since classes of it may have own code."""
        result = codec.encode_result(value, self._max_result, self._binder.result_fault)
        self._said = {"ending": Ending.SUCCEEDED, "result": result}

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if isinstance(error, NotYetError):
            self._said = None
        elif error is not None:
            self._fail(error)
        return True

    def _fail(self, error: BaseException) -> None:
        """Whatever a job raises, SystemExit too, is its outcome."""
        self._raised(error)
        self._said = _failure(error, self._options, self._report_of)

    def _report_of(self, error: BaseException) -> ErrorReport:
        return report_of(error, self._max_error, self._redaction.text)

    def plain(self) -> tuple[str, float, float] | None:
        """Result, begin and end of one that succeeded and has said nothing else; None: another."""
        if (
            self._said is None
            or self._run.latest is not None
            or self._control.interrupt is not None
        ):
            return None
        if self._said["ending"] is not Ending.SUCCEEDED:
            return None
        return self._said["result"], self._begun, clock.seconds()

    def outcome(self) -> Outcome:
        """What happened."""
        claim = self._claim
        if self._said is None:
            return Outcome(
                run_id=claim.run_id, attempt=claim.attempt, provider=claim.provider,
                ending=Ending.RELEASED, ended=clock.seconds(),
            )  # fmt: skip
        return Outcome(
            run_id=claim.run_id,
            attempt=claim.attempt,
            provider=claim.provider,
            started=self._begun,
            ended=clock.seconds(),
            progress=self._run.latest,
            **_interrupted(self._control.interrupt, self._said),
        )


def binder_of(function: Callable[..., object], job_name: str) -> Binder:
    """How to bind parameters to a function: read once, then kept for that name.

    Raises:
        JobLoadError: nobody can tell which parameters it takes, or it takes none that it hides.
    """
    # A bound method is another object each time it is looked up; what it wraps is not.
    key = getattr(function, "__func__", function)
    known = _binders.get(job_name)
    if known is None or known[0] is not key:
        known = _binders[job_name] = key, _read(function, job_name)
    return known[1]


def _read(function: Callable[..., object], job_name: str) -> Binder:
    """Read a function, and see that it takes the parameters it wants to be hidden."""
    binder = read(function, job_name)
    hides = options_of(function).redact
    unknown = [name for name in hides if name not in binder.takes]
    if unknown and binder.extra is None:
        raise JobLoadError(
            f"Job {job_name!r} takes no {unknown[0]!r}, which its @job(redact=...) names; what is "
            "meant would be shown. Tell its provider.",
            code="redact_mismatch",
        )
    return evolve(binder, hides=frozenset(hides)) if hides else binder


def call(function: Callable[..., object], arguments: Arguments) -> object:
    """Call a job; one written ``async def`` is run to its end."""
    positional, named = arguments
    value = function(*positional, **named)
    if inspect.iscoroutine(value):
        import asyncio

        return asyncio.run(value)
    return value


def _whole(
    job_name: str, target: str, provider: Provider | None, was_moved: Moved
) -> Callable[..., object]:
    """Load a job, and see that its code was not being changed meanwhile.

    Neighbours that want a module at the same time have one import of it, so each looks for itself,
    until one has seen that it is whole.
    """
    module = target.partition(":")[0]
    since = _begun.setdefault(module, time.time_ns())
    try:
        function = load(job_name, target)
    except JobLoadError as error:
        if was_moved(job_name, target, provider, error, since):
            raise NotYetError from error
        raise
    if module not in _trusted:
        if was_moved(job_name, target, provider, None, since):
            raise NotYetError
        _trusted.add(module)
    return function


def imported() -> int:
    """How many modules of jobs were imported here."""
    return len(_trusted)


def introduce(
    job_name: str,
    target: str,
    provider: Provider,
    max_error: int,
    was_moved: Moved = lambda *_: False,
) -> Hello:
    """Import a job here, without running it, and say what it is; never raises what it raised.

    Where ``was_moved`` says that the import fell into an installation, the question stays open.
    """
    module = target.partition(":")[0]
    fresh, begun = module not in sys.modules, clock.seconds()
    try:
        function = _whole(job_name, target, provider, was_moved)
        seconds = clock.seconds() - begun if fresh else None
        binder = binder_of(function, job_name)
    except NotYetError:
        trouble = "Its distribution was being installed or removed."
        return Hello(job_name=job_name, provider=provider, options=None, trouble=trouble)
    except JobLoadError as error:
        cause = report_of(error.__cause__, max_error) if error.__cause__ else None
        return Hello(
            job_name=job_name,
            provider=provider,
            options=CAREFUL,
            trouble=report_of(error, max_error).message,
            code=error.code,
            cause=None if cause is None else f"{cause.type}: {cause.message}",
        )
    return _hello_of(job_name, provider, function, binder, seconds)


def _hello_of(
    job_name: str,
    provider: Provider,
    function: Callable[..., object],
    binder: Binder,
    seconds: float | None,
) -> Hello:
    """What there is to say of a job that could be imported."""
    from .signature.description import describe, summary

    return Hello(
        job_name=job_name,
        provider=provider,
        options=_with_engine(function),
        signature=describe(binder),
        summary=summary(function),
        seconds=seconds,
    )


def _with_engine(function: Callable[..., object]) -> JobOptions:
    """The options of a job, with the engine that its function asks for by being what it is."""
    options, engine = options_of(function), engine_of(function)
    return options if engine == "processes" else evolve(options, engine=engine)


def _who(job_name: str, provider: Provider | None) -> str:
    by = f" of {provider.dist} {provider.version}" if provider else ""
    return f"Job {job_name!r}{by}"


def _failure(
    error: BaseException, options: JobOptions, report: Callable[[BaseException], ErrorReport]
) -> dict[str, Any]:
    """What follows from what a job raised, as far as can be said where its classes are known."""
    told = report(error)
    match error:
        case Snooze() | RetryLater():
            ending = Ending.SNOOZED if isinstance(error, Snooze) else Ending.ERROR
            asked: Any = error.after
            try:
                # Where nothing is asked for, a retry goes by its job's backoff; a snooze has none.
                backs_off = asked is None and ending is Ending.ERROR
                after = None if backs_off else seconds(asked, "after")
            except BadInput as fault:
                return {"ending": Ending.ERROR, "error": report(fault)}
            return {"ending": ending, "after": after, "error": told}
        case CancelRun():
            return {"ending": Ending.CANCELLED, "reason": Reason.JOB, "error": told}
        case ParamsRefused():
            said = {"reason": Reason.REFUSED, "retryable": False}
        case ResultRefused():
            said = {"retryable": False}
        case _:
            retryable, backoff = options.follows_from(error)
            said = {"retryable": retryable, "backoff": backoff}
    return {"ending": Ending.ERROR, "error": told, **said}


def _interrupted(why: str | None, said: dict[str, Any]) -> dict[str, Any]:
    """Let the reason a run was told to end stand before what the job made of it."""
    if why is None or (why == Ending.RELEASED and said["ending"] is Ending.SUCCEEDED):
        return said
    error = said.get("error")
    if error is not None and error.type != Interrupted.__name__ and why == Ending.RELEASED:
        return said
    return {"ending": Ending(why), "error": error}


def report_of(error: BaseException, cap: int, redacted: Callable[[str], str] = str) -> ErrorReport:
    """An exception as it is stored: bare class name, message, traceback text, within the cap."""
    try:
        message = str(error)
    except BaseException as broken:  # a job's own __str__ may raise anything
        message = f"<its __str__ raised {type(broken).__name__}>"
    shown = error.__cause__ if isinstance(error, JobLoadError) and error.__cause__ else error
    try:
        text = "".join(traceback.format_exception(type(shown), shown, _frames_of_others(shown)))
    except BaseException as broken:
        text = f"<the traceback could not be formatted: {type(broken).__name__}>"
    name = codec.clip(type(error).__name__, 256)
    return ErrorReport(name, *(codec.clip(redacted(each), cap) for each in (message, text)))


def _frames_of_others(error: BaseException) -> TracebackType | None:
    """The traceback without the way to the job's code, which tells its author nothing."""
    frames = error.__traceback__
    while frames is not None:
        name = str(frames.tb_frame.f_globals.get("__name__"))
        if name.partition(".")[0] not in _WAY_IN:
            break
        frames = frames.tb_next
    return frames
