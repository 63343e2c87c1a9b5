"""jobreg: background jobs as pip-installable plugins, submitted by a permanent static name.

Every public name is loaded when it is first used (PEP 562), so ``import jobreg`` costs nothing.
"""

from __future__ import annotations

# What type checkers take for that of typing, which takes ten milliseconds to import.
TYPE_CHECKING = False

__version__ = "0.1.0"

_HOME = {
    "AsyncClient": "async_client",
    "AsyncRun": "async_client",
    "Backoff": "options",
    "BadInput": "errors",
    "CancelRun": "errors",
    "Client": "client",
    "Conflict": "errors",
    "Interrupted": "errors",
    "InvalidJob": "errors",
    "JobConflict": "errors",
    "JobLoadError": "errors",
    "JobRegError": "errors",
    "LeaseLost": "errors",
    "NotFound": "errors",
    "NotInRun": "errors",
    "ParamsRefused": "errors",
    "Registry": "registry",
    "ResultRefused": "errors",
    "RetryLater": "errors",
    "Run": "handle",
    "RunCancelled": "errors",
    "RunFailed": "errors",
    "SchemaMismatch": "errors",
    "Snooze": "errors",
    "StoreError": "errors",
    "StoreUnavailable": "errors",
    "SubmitUncertain": "errors",
    "UnknownJob": "errors",
    "UnknownRun": "errors",
    "WaitTimeout": "errors",
    "Worker": "worker",
    "current_run": "context",
    "default_registry": "registry",
    "find": "verbs",
    "get": "verbs",
    "job": "decorator",
    "submit": "verbs",
    "submit_many": "verbs",
}

__all__ = ["__version__", *_HOME]

if TYPE_CHECKING:
    from .async_client import (
        AsyncClient as AsyncClient,
        AsyncRun as AsyncRun,
    )
    from .client import (
        Client as Client,
    )
    from .context import (
        current_run as current_run,
    )
    from .decorator import (
        job as job,
    )
    from .errors import (
        BadInput as BadInput,
        CancelRun as CancelRun,
        Conflict as Conflict,
        Interrupted as Interrupted,
        InvalidJob as InvalidJob,
        JobConflict as JobConflict,
        JobLoadError as JobLoadError,
        JobRegError as JobRegError,
        LeaseLost as LeaseLost,
        NotFound as NotFound,
        NotInRun as NotInRun,
        ParamsRefused as ParamsRefused,
        ResultRefused as ResultRefused,
        RetryLater as RetryLater,
        RunCancelled as RunCancelled,
        RunFailed as RunFailed,
        SchemaMismatch as SchemaMismatch,
        Snooze as Snooze,
        StoreError as StoreError,
        StoreUnavailable as StoreUnavailable,
        SubmitUncertain as SubmitUncertain,
        UnknownJob as UnknownJob,
        UnknownRun as UnknownRun,
        WaitTimeout as WaitTimeout,
    )
    from .handle import (
        Run as Run,
    )
    from .options import (
        Backoff as Backoff,
    )
    from .registry import (
        Registry as Registry,
        default_registry as default_registry,
    )
    from .verbs import (
        find as find,
        get as get,
        submit as submit,
        submit_many as submit_many,
    )
    from .worker import (
        Worker as Worker,
    )


def __getattr__(name: str) -> object:
    """Load a public name from the room it lives in, once."""
    if name not in _HOME:
        raise AttributeError(f"module 'jobreg' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
