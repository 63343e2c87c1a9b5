"""The one door through which a job's code is imported."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, cast

from ..errors import Interrupted, JobLoadError
from ..options import awaits, options_of

if TYPE_CHECKING:
    from . import Registry


def load(job_name: str, target: str, registry: Registry | None = None) -> Callable[..., object]:
    """Import the function behind a job.

    Args:
        job_name: the name it is wanted under.
        target: ``module:attr``.
        registry: who knows the other names of the target; by default that of this process.

    Raises:
        JobLoadError: it cannot be had. The message names the job and, because clients see it,
            neither module nor function; those are in the exception chained to it.
    """
    module_name = target.partition(":")[0]
    try:
        module = import_module(module_name)
    except (KeyboardInterrupt, Interrupted):
        raise
    except BaseException as error:  # a module may do anything, even exit
        raise JobLoadError(
            f"The code of job {job_name!r} could not be imported: {_told(error, target)}"
        ) from error
    found = _walk(job_name, module, target)
    if not callable(found):
        raise JobLoadError(
            f"Job {job_name!r} does not point to a function. Tell its provider.",
            code="not_callable",
        ) from TypeError(f"{target} is a {type(found).__name__}")
    _check_name(job_name, target, found, registry)
    _check_engine(job_name, found)
    return cast("Callable[..., object]", found)


def _told(error: BaseException, target: str) -> str:
    """What went wrong, unless that would name the job's module or function to clients."""
    kind = type(error).__name__
    try:
        text = str(error)
    except BaseException:  # an exception's own __str__ may raise anything
        return kind
    ours = set(re.findall(r"\w+", target))
    return kind if not text or ours & set(re.findall(r"\w+", text)) else f"{kind}: {text}"


def _walk(job_name: str, module: object, target: str) -> object:
    found = module
    try:
        for part in target.partition(":")[2].split("."):
            found = getattr(found, part)
    except (KeyboardInterrupt, Interrupted):
        raise
    except AttributeError as error:
        raise JobLoadError(
            f"The code of job {job_name!r} does not hold the function its entry point names. "
            "Install another version of its provider."
        ) from error
    except BaseException as error:  # a module's own __getattr__ may import what is missing
        raise JobLoadError(
            f"The code of job {job_name!r} could not be imported: {_told(error, target)}"
        ) from error
    return found


def _check_name(job_name: str, target: str, found: object, registry: Registry | None) -> None:
    """Hold a function to the name its author wrote in ``@job(name=...)``, or an alias of it."""
    declared = options_of(found).name
    if declared in (None, job_name):
        return
    if registry is None:
        from . import default_registry

        registry = default_registry()
    if declared not in registry.snapshot().names_of(target):
        raise JobLoadError(
            f"Job {job_name!r} is a function that says it is job {declared!r}. "
            "Its entry point and its @job(name=...) must agree.",
            code="name_mismatch",
        )


def _check_engine(job_name: str, found: object) -> None:
    """Hold a function to the engine its author chose: an event loop runs only what awaits."""
    engine = options_of(found).engine
    if engine not in ("threads", "asyncio"):
        return
    if awaits(found) is not (engine == "asyncio"):
        written = "is" if engine == "threads" else "is not"
        raise JobLoadError(
            f"Job {job_name!r} says engine={engine!r}, and {written} written with 'async def'. "
            "Tell its provider: 'asyncio' is for async functions, 'threads' for all others.",
            code="engine_mismatch",
        )
