"""Every exception jobreg raises, in one tree.

JobRegError
├── BadInput            a value given by the caller is refused        exit code 2
│   └── InvalidJob      a function or name that cannot be a job
├── NotFound            what was asked for does not exist             exit code 3
│   ├── UnknownJob      no such job name
│   └── UnknownRun      no such run id
├── Conflict            it exists, but not as asked                   exit code 4
│   └── JobConflict     two distributions claim one name
├── StoreError          the database could not do it                  exit code 5
│   ├── StoreUnavailable    it cannot be reached or is locked
│   └── SchemaMismatch      its schema is of another version
├── WaitTimeout         a wait ended before the run did               exit code 6
├── RunFailed           the run's result was asked for; it failed     exit code 1
├── RunCancelled        the run's result was asked for; it was cancelled
├── JobLoadError        a job's code could not be imported
├── ParamsRefused       the installed job rejects the stored parameters
├── ResultRefused       the job returned what JSON cannot hold
└── NotInRun            current_run() was called outside a run

Interrupted (BaseException)   raised in a job that is cancelled or over its time
"""

from __future__ import annotations


class JobRegError(Exception):
    """Base of all errors jobreg raises; ``exit_code`` is what the command line exits with."""

    exit_code = 1


class BadInput(JobRegError, ValueError):
    """A value given by the caller is refused; nothing was stored."""

    exit_code = 2


class InvalidJob(BadInput):
    """A function or name that cannot be a job."""


class NotFound(JobRegError, LookupError):
    """What was asked for does not exist."""

    exit_code = 3


class UnknownJob(NotFound):
    """No job has this name, neither here nor at any live worker."""


class UnknownRun(NotFound):
    """The store holds no run with this id."""


class Conflict(JobRegError):
    """The thing exists, but not as asked: another owner, other parameters, another state."""

    exit_code = 4


class JobConflict(Conflict):
    """Two distributions claim one job name; neither is run until one gives way."""


class StoreError(JobRegError):
    """The database could not do what was asked."""

    exit_code = 5


class StoreUnavailable(StoreError):
    """The database cannot be reached, or stayed locked; nothing was written."""


class SchemaMismatch(StoreError):
    """The store's schema is of another version than this jobreg."""


class WaitTimeout(JobRegError, TimeoutError):
    """A wait ended before the run did; the run goes on."""

    exit_code = 6


class RunFailed(JobRegError):
    """The result of a failed run was asked for.

    ``reason`` is ``error``, ``timeout``, ``crashed`` or ``refused``; ``error_type`` the bare
    class name of what the job raised; ``traceback`` its text, which Python shows with the error.
    """

    def __init__(self, message: str, *, reason: str, error_type: str, traceback: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.error_type = error_type
        self.traceback = traceback
        if traceback:
            self.__cause__ = _InTheRun(traceback)


class _InTheRun(Exception):
    """Shows the traceback of a run, before the error of who asked for its result."""

    def __str__(self) -> str:
        # The text came from a store: no control codes for the terminal.
        return "".join(_harmless(each) for each in f"\n{self.args[0]}")


def _harmless(character: str) -> str:
    return character if character.isprintable() or character in "\n\t" else ascii(character)[1:-1]


class RunCancelled(JobRegError):
    """The result of a cancelled run was asked for."""


class JobLoadError(JobRegError):
    """A job's code could not be imported; the cause is chained."""


class ParamsRefused(JobRegError):
    """The installed version of a job rejects the parameters that were stored."""


class ResultRefused(JobRegError):
    """A job returned a value that JSON cannot hold, or one over the cap."""


class NotInRun(JobRegError):
    """``current_run()`` was called where no run executes."""


class Interrupted(BaseException):
    """Raised inside a job that was cancelled or is over its time.

    Not an Exception, so that a job's own ``except Exception`` does not swallow it. Clean up and
    let it pass: after ``JOBREG_KILL_GRACE`` the job's process group is killed.
    """
