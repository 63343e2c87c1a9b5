"""One claim becomes one outcome. Knows no store; runs in an engine's child."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from . import clock, codec
from .context import Control, CurrentRun
from .errors import Interrupted, JobLoadError, ParamsRefused, ResultRefused
from .lifecycle import Claim, Ending, ErrorReport, Outcome, Progress, Reason
from .options import options_of
from .registry.load import load

_WAY_IN = (__name__, load.__module__, "importlib")
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def execute(
    claim: Claim,
    control: Control,
    report: Callable[[Progress], None],
    *,
    max_result: int,
    max_error: int,
    raised: Callable[[BaseException], None] = lambda _: None,
) -> Outcome:
    """Run a claimed job here and say what happened; raises nothing the job raised.

    ``control`` and ``report`` tie the run to the one who minds it; the caps are bytes. ``raised``
    is shown what the job raised, for who executes it in a process of somebody else's.
    """
    run = CurrentRun(claim, control, report)
    begun = clock.seconds()
    said: dict[str, Any]
    retry_on: tuple[type[Exception], ...] = ()
    try:
        function = load(claim.job_name, claim.target)
        retry_on = options_of(function).retry_on
        arguments = bind(function, codec.decode(claim.params), claim)
        begun = clock.seconds()
        with run.executing():
            value = call(function, arguments)
        said = {"ending": Ending.SUCCEEDED, "result": codec.encode_result(value, max_result)}
    except BaseException as error:  # whatever a job raises, SystemExit too, is its outcome
        raised(error)
        said = _failure(error, retry_on, max_error)
    said = _interrupted(control.interrupt, said)
    return Outcome(
        run_id=claim.run_id,
        attempt=claim.attempt,
        provider=claim.provider,
        started=begun,
        ended=clock.seconds(),
        progress=run.latest,
        **said,
    )


def bind(
    function: Callable[..., object], params: Mapping[str, Any], claim: Claim
) -> inspect.BoundArguments:
    """Bind stored parameters by name, or refuse them, naming every fault at once.

    Raises:
        ParamsRefused: a parameter is missing or unknown to the installed version.
    """
    signature = inspect.signature(function)
    takes = {name: each for name, each in signature.parameters.items() if each.kind in _NAMED}
    open_ended = any(
        each.kind is inspect.Parameter.VAR_KEYWORD for each in signature.parameters.values()
    )
    faults = [
        f"missing {name!r}"
        for name, each in takes.items()
        if each.default is inspect.Parameter.empty and name not in params
    ]
    if not open_ended:
        faults += [f"unknown {name!r}" for name in params if name not in takes]
    if faults:
        by = f" of {claim.provider.dist} {claim.provider.version}" if claim.provider else ""
        raise ParamsRefused(
            f"Job {claim.job_name!r}{by} refuses these params: {', '.join(faults)}. "
            f"It takes: {', '.join(takes) or 'none'}."
        )
    try:
        return signature.bind(**params)
    except TypeError as error:  # positional-only parameters cannot be given by name
        raise ParamsRefused(f"Job {claim.job_name!r} refuses these params: {error}.") from None


def call(function: Callable[..., object], arguments: inspect.BoundArguments) -> object:
    """Call a job; one written ``async def`` is run to its end."""
    value = function(*arguments.args, **arguments.kwargs)
    if inspect.iscoroutine(value):
        import asyncio

        return asyncio.run(value)
    return value


def _failure(
    error: BaseException, retry_on: tuple[type[Exception], ...], cap: int
) -> dict[str, Any]:
    refused = isinstance(error, ParamsRefused)
    hopeless = refused or isinstance(error, ResultRefused)
    return {
        "ending": Ending.ERROR,
        "reason": Reason.REFUSED if refused else None,
        "retryable": not hopeless and (not retry_on or isinstance(error, retry_on)),
        "error": report_of(error, cap),
    }


def _interrupted(why: str | None, said: dict[str, Any]) -> dict[str, Any]:
    """Let the reason a run was told to end stand before what the job made of it."""
    if why is None or (why == Ending.RELEASED and said["ending"] is Ending.SUCCEEDED):
        return said
    error = said.get("error")
    if error is not None and error.type != Interrupted.__name__ and why == Ending.RELEASED:
        return said
    return {"ending": Ending(why), "error": error}


def report_of(error: BaseException, cap: int) -> ErrorReport:
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
    return ErrorReport(name, codec.clip(message, cap), codec.clip(text, cap))


def _frames_of_others(error: BaseException) -> TracebackType | None:
    """The traceback without the way to the job's code, which tells its author nothing."""
    frames = error.__traceback__
    while frames is not None:
        name = str(frames.tb_frame.f_globals.get("__name__"))
        if name not in _WAY_IN and not name.startswith("importlib."):
            break
        frames = frames.tb_next
    return frames
