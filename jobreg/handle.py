"""Run: the handle over one run, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import codec
from .errors import RunCancelled, RunFailed
from .lifecycle import Attempt, ErrorReport, LogLine, Progress, Provider, Reason, RunRecord, State

if TYPE_CHECKING:
    from .client import Client
    from .options import Duration


class Shown:
    """A run as it was last read."""

    record: RunRecord
    """All that the store had of it, its times, tags, queue and unique key among that."""

    def __init__(self, record: RunRecord) -> None:
        self.record = record

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.job_name} {self.state}>"

    @property
    def id(self) -> str:
        """The run's id, a UUID as text."""
        return self.record.run_id

    @property
    def job_name(self) -> str:
        """The permanent static name it was submitted under."""
        return self.record.job_name

    @property
    def params(self) -> dict[str, Any]:
        """The parameters as they were given."""
        params: dict[str, Any] = codec.decode(self.record.params)
        return params

    @property
    def state(self) -> State:
        """Where the run was when it was last read."""
        return self.record.state

    @property
    def reason(self) -> Reason | None:
        """Why it failed or was cancelled."""
        return self.record.reason

    @property
    def error(self) -> ErrorReport | None:
        """What the job raised, once the run has failed."""
        return self.record.error

    @property
    def attempt(self) -> int:
        """The number of the latest attempt; 0 while none has begun."""
        return self.record.attempt

    @property
    def progress(self) -> Progress | None:
        """How far it had come when it was last read."""
        return self.record.progress

    @property
    def provider(self) -> Provider | None:
        """The distribution and version of the latest attempt."""
        return self.record.provider


class Run(Shown):
    """The handle over one run. It shows the run as last read; :meth:`refresh` reads it again."""

    def __init__(self, client: Client, record: RunRecord) -> None:
        self.record = record
        self._client = client

    def refresh(self) -> Run:
        """Read the run again and return self."""
        self.record = self._client.store.get(self.id)
        return self

    def wait(self, timeout: Duration | None = None) -> Run:
        """Wait until the run is over and return self.

        Raises:
            WaitTimeout: it was not over after ``timeout`` seconds; it goes on.
        """
        self.record = self._client.wait_for(self.id, timeout)
        return self

    def result(self, timeout: Duration | None = None) -> Any:
        """Wait until the run is over and return what the job returned.

        Raises:
            RunFailed: the run failed; the error carries reason, type and traceback.
            RunCancelled: the run was cancelled.
            WaitTimeout: it was not over after ``timeout`` seconds; it goes on.
        """
        return value_of(self.wait(timeout).record)

    def cancel(self) -> Run:
        """Cancel the run: at once while it waits, within seconds while it runs.

        One that is over by then stays as it ended, which is no error: look at :attr:`state`.
        """
        self.record = self._client.store.cancel(self.id)
        return self

    def retry(self) -> Run:
        """Queue a failed or cancelled run again; of a succeeded one, submit a copy and return it.

        Raises:
            Conflict: the run is not over, or somebody else retried it meanwhile.
        """
        return self._client.retry(self)

    def attempts(self) -> list[Attempt]:
        """The attempts so far, oldest first."""
        return self._client.store.attempts(self.id)

    def logs(
        self, *, attempt: int | None = None, level: str | None = None, follow: bool = False
    ) -> Iterator[LogLine]:
        """Iterate over what the run printed and logged, oldest attempt first.

        It is stored while the run executes, less than half a second behind, and kept up to
        ``JOBREG_MAX_LOG`` bytes an attempt.

        Args:
            attempt: only of this attempt.
            level: only lines of at least this level: ``debug``, ``info`` (stdout has it),
                ``warning`` (stderr has it), ``error`` or ``critical``. Levels of a job's own
                are shown whatever is asked for.
            follow: go on, with each line as it comes, until the run (or that attempt) is over.

        Raises:
            BadInput: there is no such level, or the attempt is not a whole number from 1.

        Example:
            >>> for line in run.logs(level="warning"):  # doctest: +SKIP
            ...     print(line.at, line.level, line.text)
        """
        return self._client.logs(self.id, attempt=attempt, level=level, follow=follow)

    def waiting_on(self) -> str | None:
        """Why the run is not running though it waits, computed now; None where it is not so."""
        return self._client.waiting_on([self.record])[self.id]


def value_of(record: RunRecord) -> Any:
    """What the job of a run that is over returned.

    Raises:
        RunFailed: the run failed; the error carries reason, type and traceback.
        RunCancelled: the run was cancelled.
    """
    if record.state is State.SUCCEEDED:
        return None if record.result is None else codec.decode(record.result)
    if record.state is State.CANCELLED:
        raise RunCancelled(
            f"Run {record.run_id} of {record.job_name!r} was cancelled. If it is wanted, retry it."
        )
    error = record.error or ErrorReport("", "")
    told = f": {error.type}: {error.message}" if error.type else ""
    raise RunFailed(
        f"Run {record.run_id} of {record.job_name!r} failed ({record.reason}){told}",
        reason=str(record.reason),
        error_type=error.type,
        traceback=error.traceback,
    )
