"""What is known of jobs without importing them: learned from the children that did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from attrs import asdict, evolve, field, frozen

from . import clock
from .errors import BadInput
from .lifecycle import Provider
from .options import DEFAULTS, JobOptions
from .signature import Signature

if TYPE_CHECKING:
    from .registry import JobRef

ASK_AGAIN = 5.0
"""Seconds for which a job that could not be imported is taken at its word."""

CAREFUL = JobOptions(concurrency=1)
"""How a job is claimed whose own options nobody could read, so that its runs fail and tell why."""


@frozen(kw_only=True)
class Hello:
    """A child's first message about a job: all that is known of it without importing it again.

    ``trouble`` says what went wrong where the job could not be imported; its options are then
    :data:`CAREFUL`, so that its runs are still claimed, one at a time, and tell the cause where
    their import fails too; ``code`` is then the kind of trouble, ``cause`` what the import raised.
    Options of None say that the question was cut short and is open still. ``signature`` is what the
    job takes and gives back, ``summary`` the first line of its docstring, ``seconds`` how long its
    import took; None where that was not seen.
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


@frozen
class Owner:
    """Whom a name belongs to, and what gave it away: ``hello``, ``sync`` or ``adopt``."""

    dist: str
    pinned_by: str
    pinned_at: datetime | None = None

    def refusal(self, ref: JobRef) -> str:
        """Why the job that another distribution has under this name is not run, and the way out."""
        return (
            f"Job {ref.name!r} belongs to {self.dist}; here {ref.provider} advertises it, and is "
            f"not run. If it should be: jobreg jobs adopt {ref.name} --from {ref.dist}"
        )


@frozen(kw_only=True)
class Entry:
    """What the store knows of a job as one version of one distribution ships it.

    Not where its function is: no row but tracebacks names a module or function.
    ``options``, ``signature`` and ``params_schema`` are as JSON; the times are the database's.
    Where the job could not be imported, ``trouble`` says why, and nothing else is known.
    """

    job_name: str
    provider: Provider
    options: dict[str, Any] | None = None
    signature: dict[str, Any] | None = None
    params_schema: dict[str, Any] | None = None
    summary: str | None = None
    import_seconds: float | None = field(default=None, eq=False)
    trouble: str | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None

    @classmethod
    def of(cls, hello: Hello) -> Entry | None:
        """What to keep of a hello; None where the question is open still."""
        if hello.options is None:
            return None
        if hello.trouble is not None:
            return cls(job_name=hello.job_name, provider=hello.provider, trouble=hello.trouble)
        signature = hello.signature.to_wire() if hello.signature else None
        schema = signature and json.loads(signature.pop("schema"))
        return cls(
            job_name=hello.job_name,
            provider=hello.provider,
            options=hello.options.to_wire(),
            signature=signature,
            params_schema=schema,
            summary=hello.summary or None,
            import_seconds=hello.seconds,
        )

    def takes(self) -> Signature | None:
        """The signature, where it is known."""
        if self.signature is None:
            return None
        return Signature.from_wire({**self.signature, "schema": json.dumps(self.params_schema)})

    @property
    def pinnable(self) -> bool:
        """False for what cannot be imported, and for what an application registered itself.

        The latter may be another's elsewhere.
        """
        return self.provider.version != "" and self.trouble is None


@frozen
class Known:
    """What the store holds of one job: each version it has seen, and what operators set."""

    entries: tuple[Entry, ...] = ()
    overrides: Mapping[str, Any] = field(factory=dict)
    signs: tuple[str, ...] = field(default=(), eq=False)
    """What the rows are told by that this was read from: others come with each hello, and with
    each thing that is set."""

    def effective(self, options: Mapping[str, Any] | None) -> JobOptions:
        """The options of one version (as JSON, or nothing) with what operators set before them."""
        own = JobOptions.from_wire(options) if options else DEFAULTS
        try:
            return overridden(own, self.overrides)
        except BadInput:  # written by another version of jobreg; workers tell of it
            return own


def overridden(options: JobOptions, asked: Mapping[str, Any]) -> JobOptions:
    """A job's options with those that an operator set, as JSON, standing before them.

    Raises:
        BadInput: there is no such option, or a value cannot be used.
    """
    if not asked:
        return options
    wire = options.to_wire()
    unknown = asked.keys() - wire.keys()
    if unknown:
        raise BadInput(
            f"options: no {', '.join(map(repr, sorted(unknown)))}. There are: {', '.join(wire)}."
        )
    try:
        changed = JobOptions.from_wire({**wire, **asked})
    except TypeError as error:
        raise BadInput(f"options: {error}") from None
    return evolve(options, **{name: getattr(changed, name) for name in asked})


class Catalogue:
    """The hellos of one worker, by name and version: another version is asked anew."""

    def __init__(self) -> None:
        self._hellos: dict[str, tuple[Hello, float]] = {}

    def learn(self, hello: Hello) -> None:
        """Keep what a child said; it stands for that name until its version changes."""
        if hello.options is not None:
            self._hellos[hello.job_name] = hello, clock.seconds()

    def hello(self, job_name: str, provider: Provider) -> Hello | None:
        """What is known of a job as this provider ships it, or None where it is to be asked."""
        hello, learned = self._hellos.get(job_name, (None, 0.0))
        if hello is None or hello.provider != provider:
            return None
        # What could not be imported may be whole soon: pip removes, then writes.
        stale = hello.trouble is not None and clock.seconds() - learned > ASK_AGAIN
        return None if stale else hello
