"""Every exception jobreg raises, in one tree.

JobRegError
├── BadInput
│   └── InvalidJob
├── NotFound
│   ├── UnknownJob
│   └── UnknownRun
├── Conflict
│   └── JobConflict
├── StoreError
│   ├── StoreUnavailable
│   ├── SubmitUncertain
│   └── SchemaMismatch
├── WaitTimeout
├── RunFailed
├── RunCancelled
├── JobLoadError
├── ParamsRefused
├── ResultRefused
├── NotInRun
├── LeaseLost
├── RetryLater
├── Snooze
└── CancelRun

Beside it stands Interrupted, a BaseException, raised in a job that is told to end.

A message says what happened, where, and what to do next. So does each docstring here, its last
paragraph after "Next:"; docs/reference/errors.md is made of them (docs/errors_page.py).
"""

from __future__ import annotations

from typing import Any


class JobRegError(Exception):
    """Base of all errors that jobreg raises; catch it to catch them all.

    ``exit_code`` is what the command line exits with.

    Next: read the message: it says what happened, where, and what to do.
    """

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        # Python itself would call the class with its message alone, which not every one takes.
        return _as_it_was, (type(self), self.args), vars(self)


def _as_it_was(kind: type[JobRegError], told: tuple[object, ...]) -> JobRegError:
    """An error that comes from another process, before its attributes are given back to it."""
    return kind.__new__(kind, *told)


class BadInput(JobRegError, ValueError):
    """A value given by the caller cannot be used; nothing was stored.

    ``faults`` holds each fault by itself, with its path, where parameters do not fit a job.

    Next: correct the argument, option or variable that the message names.
    """

    exit_code = 2

    def __init__(self, *told: object, faults: tuple[str, ...] = ()) -> None:
        super().__init__(*told)
        self.faults = faults


class InvalidJob(BadInput):
    """A function or name cannot be a job, because no other process could find it.

    Next: give a name of a-z, 0-9, ``_`` and dots, and a function at the top level of a module.
    """


class NotFound(JobRegError, LookupError):
    """What was asked for does not exist.

    Next: look for a typing error, then for another store, environment or installation.
    """

    exit_code = 3


class UnknownJob(NotFound):
    """No job that may run has this name, neither here nor at any live worker.

    ``close`` holds the names there are that are much like it.

    Next: take one of the close names offered, install its plugin with pip, or see
    ``jobreg jobs list`` and ``jobreg jobs doctor``.
    """

    def __init__(self, *told: object, close: tuple[str, ...] = ()) -> None:
        super().__init__(*told)
        self.close = close


class UnknownRun(NotFound):
    """The store holds no run with this id.

    Next: see ``jobreg runs list``, and whether ``--store`` or ``JOBREG_STORE`` names the store
    that the run was submitted to.
    """


class Conflict(JobRegError):
    """The thing exists, but not as asked: another job, other parameters, another state.

    Next: look at it (``jobreg runs show ID``); give a new run an id of its own, or wait until
    the run is over.
    """

    exit_code = 4


class JobConflict(Conflict):
    """Several distributions claim one job name, or it belongs to another than is installed here.

    Next: choose one with ``jobreg jobs adopt NAME --from DIST``, uninstall one, or keep one out
    with ``JOBREG_DENY_DISTS``.
    """


class StoreError(JobRegError):
    """The database could not do what was asked.

    Next: read what the database said; see ``jobreg store status``.
    """

    exit_code = 5


class StoreUnavailable(StoreError):
    """The database cannot be opened, reached or written, or stayed locked.

    Nothing was written, unless the message says that this is not known (because the answer to a
    cancel or retry was lost). ``locked`` is True where somebody holds the rows of a run locked, and
    others could be written.

    Next: do what the message says: see to the server, the URL and its user, or to the file, its
    folder and their permissions; or name another store with ``--store`` or ``JOBREG_STORE``. If
    it was locked or away, try again.
    """

    locked = False


class SubmitUncertain(StoreError):
    """The connection was lost after the database was told to store runs: it may have, or not.

    ``run_ids`` are those of the runs, in the order in which they were given. All are stored, or
    none is.

    Next: submit again with the same ``run_id``, which the message names, or of several each with
    its own of ``run_ids``; each is stored once.
    """

    def __init__(self, *told: object, run_ids: tuple[str, ...] = ()) -> None:
        super().__init__(*told)
        self.run_ids = run_ids


class SchemaMismatch(StoreError):
    """The store's schema is of another version than this jobreg.

    Next: if the store is older, run ``jobreg store upgrade``; if it is newer, upgrade jobreg.
    """


class WaitTimeout(JobRegError, TimeoutError):
    """A wait ended before the run did; the run goes on.

    Next: wait longer, ask ``jobreg runs why ID``, or cancel the run.
    """

    exit_code = 6


class RunFailed(JobRegError):
    """The result of a failed run was asked for.

    ``reason`` is ``error``, ``timeout``, ``crashed``, ``refused`` or ``expired``; ``error_type``
    the bare class name of what the job raised; ``traceback`` its text, which Python shows with
    the error.

    Next: read ``traceback``, mend the cause, then retry the run.
    """

    def __init__(self, message: str, *, reason: str, error_type: str, traceback: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.error_type = error_type
        self.traceback = traceback
        self._show_traceback()

    def __setstate__(self, state: dict[str, Any] | None) -> None:
        super().__setstate__(state)
        self._show_traceback()

    def _show_traceback(self) -> None:
        if self.traceback:
            self.__cause__ = _InTheRun(self.traceback)


class _InTheRun(Exception):
    """Shows the traceback of a run, before the error of who asked for its result."""

    def __str__(self) -> str:
        # The text came from a store: no control codes for the terminal.
        return "".join(_harmless(each) for each in f"\n{self.args[0]}")


def _harmless(character: str) -> str:
    return character if character.isprintable() or character in "\n\t" else ascii(character)[1:-1]


class RunCancelled(JobRegError):
    """The result of a cancelled run was asked for.

    Next: retry the run if it is wanted after all.
    """


class JobLoadError(JobRegError):
    """A job's code could not be imported, or is not what its entry point says.

    ``code`` is ``import_error``, ``not_callable``, ``name_mismatch``, ``engine_mismatch`` or
    ``redact_mismatch``, as the doctor says it.

    Next: see ``jobreg jobs doctor --import``; the cause is chained to the error.
    """

    def __init__(self, message: str, *, code: str = "import_error") -> None:
        super().__init__(message)
        self.code = code


class ParamsRefused(JobRegError):
    """The installed version of a job rejects the parameters that were stored.

    Next: submit the run again with parameters that this version takes, or install one that
    takes these and retry.
    """


class ResultRefused(JobRegError):
    """A job returned a value that JSON cannot hold, or one over the cap.

    Next: return plain values; keep large data elsewhere and return where it is.
    """


class NotInRun(JobRegError):
    """``current_run()`` was called where no run executes.

    Next: call it from a job only, in the thread that the job was called in.
    """


class LeaseLost(JobRegError):
    """An attempt's transaction cannot be committed: the run is not this worker's any more.

    It was taken back while the worker was thought dead, or the connection is to another database.

    Next: let it pass: nothing was written, and another attempt does it. Where it comes every time,
    see that the connection is to the worker's own store.
    """


class RetryLater(JobRegError):
    """Raised by a job that wants another try: a try that failed, whatever ``retry_on`` says.

    It counts: at ``max_attempts`` the run is failed. ``after`` is the wait, in seconds or as
    ``"30s"``; by default that of the job's backoff.

    Example:
        >>> import jobreg
        >>> raise jobreg.RetryLater("the other side is busy", after="30s")
        Traceback (most recent call last):
        ...
        jobreg.errors.RetryLater: the other side is busy

    Next: nothing, where a job raises it: the run is tried again. See ``jobreg runs show ID``.
    """

    def __init__(self, *why: object, after: float | str | None = None) -> None:
        super().__init__(*why)
        self.after = after


class Snooze(JobRegError):
    """Raised by a job that has nothing to do yet: the run waits, and nothing is counted.

    ``after`` is the wait, in seconds or as ``"1h"``.

    Example:
        >>> import jobreg
        >>> raise jobreg.Snooze("1h", "the file is not there yet")
        Traceback (most recent call last):
        ...
        jobreg.errors.Snooze: the file is not there yet

    Next: nothing, where a job raises it: the run goes on when the wait is over.
    """

    def __init__(self, after: float | str, *why: object) -> None:
        super().__init__(*why)
        self.after = after


class CancelRun(JobRegError):
    """Raised by a job that finds its run pointless: the run is cancelled, reason ``job``.

    Example:
        >>> import jobreg
        >>> raise jobreg.CancelRun("account 42 was closed")
        Traceback (most recent call last):
        ...
        jobreg.errors.CancelRun: account 42 was closed

    Next: nothing, where a job raises it; what it says is the error of the run.
    """


class Interrupted(BaseException):
    """Raised inside a job that was cancelled or is over its time.

    Not an Exception, so that a job's own ``except Exception`` does not swallow it.

    Next: clean up and let it pass: after ``JOBREG_KILL_GRACE`` the job's process group is killed.
    """
