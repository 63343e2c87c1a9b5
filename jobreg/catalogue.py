"""What is known of jobs without importing them: learned from the children that did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import asdict, frozen

from . import clock
from .lifecycle import Provider
from .options import JobOptions
from .signature import Signature

ASK_AGAIN = 5.0
"""Seconds for which a job that could not be imported is taken at its word."""

CAREFUL = JobOptions(max_attempts=1, max_crashes=1, concurrency=1)
"""How a job is run whose own options nobody could read: they may say at most once."""


@frozen(kw_only=True)
class Hello:
    """A child's first message about a job: all that is known of it without importing it again.

    ``trouble`` says what went wrong where the job could not be imported; its options are then
    :data:`CAREFUL`, so that its runs are still claimed, one at a time and once, fail, and tell
    their cause; ``code`` is then the kind of trouble, ``cause`` what the import raised. Options of
    None say that the question was cut short and is open still. ``signature`` is what the job takes
    and gives back, ``summary`` the first line of its docstring, ``seconds`` how long its import
    took; None where that was not seen.
    """

    job_name: str
    provider: Provider
    options: JobOptions | None
    trouble: str | None = None
    code: str | None = None
    cause: str | None = None
    signature: Signature | None = None
    summary: str = ""
    seconds: float | None = None

    def to_wire(self) -> dict[str, Any]:
        """As JSON, for the pipe and the store."""
        return {
            "job_name": self.job_name,
            "provider": asdict(self.provider),
            "options": self.options and self.options.to_wire(),
            "trouble": self.trouble,
            "code": self.code,
            "cause": self.cause,
            "signature": self.signature and self.signature.to_wire(),
            "summary": self.summary,
            "seconds": self.seconds,
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Hello:
        """The inverse of :meth:`to_wire`."""
        options, signature = wire["options"], wire["signature"]
        changed = {
            "provider": Provider(**wire["provider"]),
            "options": options and JobOptions.from_wire(options),
            "signature": signature and Signature.from_wire(signature),
        }
        return cls(**{**wire, **changed})


class Catalogue:
    """The hellos of one worker, by name and version: another version is asked anew."""

    def __init__(self) -> None:
        self._hellos: dict[str, tuple[Hello, float]] = {}

    def learn(self, hello: Hello) -> None:
        """Keep what a child said; it stands for that name until its version changes."""
        if hello.options is not None:
            self._hellos[hello.job_name] = hello, clock.seconds()

    def options(self, job_name: str, provider: Provider) -> JobOptions | None:
        """The options of a job as this provider ships it, or None where nobody has asked yet."""
        hello, learned = self._hellos.get(job_name, (None, 0.0))
        if hello is None or hello.provider != provider:
            return None
        # What could not be imported may be whole soon: pip removes, then writes.
        stale = hello.trouble is not None and clock.seconds() - learned > ASK_AGAIN
        return None if stale else hello.options
