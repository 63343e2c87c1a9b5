"""How a job wants to be run: its options, its backoff, and durations as people write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from types import MappingProxyType
from typing import Any

from attrs import Attribute, evolve, field, frozen

from .decorator import MARK
from .errors import BadInput
from .legible import brief

Duration = float | int | str
"""Seconds, or a number with a unit: ``"90s"``, ``"5m"``, ``"2h"``, ``"1d"``."""

DEFAULT_QUEUE = "default"
DEFAULT_PRIORITY = 0

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
LONGEST = 100 * 365 * 86400.0
"""No duration is longer, in seconds."""
_MOST = 1_000_000
_QUEUE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def seconds(value: Duration, what: str = "duration") -> float:
    """Turn a duration into seconds.

    Raises:
        BadInput: it is negative, not finite, longer than a century, or not a duration.

    Example:
        >>> seconds("1.5h")
        5400.0
    """
    number: float | None = None
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match:
            number = float(match[1]) * _UNITS[match[2] or "s"]
    elif not isinstance(value, bool) and isinstance(value, int | float):
        number = float(value) if abs(value) <= LONGEST else None
    if number is None or not isfinite(number) or not 0 <= number <= LONGEST:
        given = value if number is None else number
        too_long = isinstance(given, int | float) and given > LONGEST
        raise BadInput(
            f"{what}: {brief(value)!r}{', over 100 years,' * too_long} is not a duration. "
            'Give seconds (90) or a number with a unit ("90s", "5m", "2h", "1d"), not negative.'
        )
    return number


def limit(value: Duration | None, what: str = "timeout") -> float | None:
    """Turn a time limit into seconds; None is no limit, and zero is refused."""
    if value is None:
        return None
    number = seconds(value, what)
    if number == 0:
        raise BadInput(f"{what}: must be more than 0; leave it out for no limit.")
    return number


def count(value: object, what: str, *, least: int = 1, most: int = _MOST) -> int:
    """Check a whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadInput(f"{what}: {brief(value)!r} is not a whole number from {least} to {most}.")
    return value


def queue_name(value: object, what: str = "queue") -> str:
    """Check the name of a queue: letters, digits, ``_ . -``, at most 64."""
    if not isinstance(value, str) or not _QUEUE.fullmatch(value):
        raise BadInput(
            f"{what}: {brief(value)!r} is not a queue name. "
            "Use letters, digits, '_', '.', '-', at most 64 characters."
        )
    return value


def priority_number(value: object, what: str = "priority") -> int:
    """Check a priority; higher runs first."""
    return count(value, what, least=-32768, most=32767)


def _seconds(value: Duration) -> float:
    return seconds(value, "backoff")


BACKOFFS = ("exponential", "linear", "fixed")


@frozen
class Backoff:
    """The wait before the next try, in seconds.

    ``exponential``: ``first``, times ``factor`` each try. ``linear``: ``first``, and as much more
    each try. ``fixed``: ``first`` each time. Never more than ``longest``.

    With ``jitter`` the wait is drawn evenly between nothing and that bound, so that runs which
    failed together do not come back together (Brooker, "Exponential Backoff And Jitter", 2015,
    "full jitter"); without, it is the bound itself.

    Example:
        >>> from jobreg import Backoff
        >>> wait = Backoff(first="10s", kind="linear", jitter=False)
        >>> [wait.delay(tries, lambda: 0.0) for tries in (1, 2, 3)]
        [10.0, 20.0, 30.0]
    """

    first: float = field(default=1.0, converter=_seconds)
    factor: float = field(default=2.0)
    longest: float = field(default=600.0, converter=_seconds)
    kind: str = field(default="exponential", kw_only=True)
    jitter: bool = field(default=True, kw_only=True)

    @factor.validator
    def _check_factor(self, _: Attribute[float], value: float) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 100:
            raise BadInput(f"backoff factor: {value!r} is not a number from 1 to 100.")

    @kind.validator
    def _check_kind(self, _: Attribute[str], value: str) -> None:
        if value not in BACKOFFS:
            raise BadInput(f"backoff kind: {value!r} is none of {', '.join(BACKOFFS)}.")

    def delay(self, tries: int, chance: Callable[[], float]) -> float:
        """Seconds to wait after the given number of tries; ``chance`` gives 0 to below 1."""
        grown = {
            "exponential": self.factor ** min(tries - 1, 64),
            "linear": tries,
            "fixed": 1.0,
        }[self.kind]
        bound = min(self.longest, self.first * grown)
        return bound * chance() if self.jitter else bound


Errors = tuple[type[Exception], ...]


def _exceptions(value: object, what: str) -> Errors:
    classes = tuple(value) if isinstance(value, Iterable) else (value,)
    for each in classes:
        if not (isinstance(each, type) and issubclass(each, Exception)):
            raise BadInput(f"{what}: {each!r} is not an exception class.")
    return classes


def _retry_on(value: object) -> Errors | Mapping[type[Exception], Backoff | None]:
    """Exception classes worth another try, in a mapping where each may have its own backoff."""
    if not isinstance(value, Mapping):
        return _exceptions(value, "retry_on")
    _exceptions(tuple(value), "retry_on")
    for backoff in value.values():
        if not isinstance(backoff, Backoff | None):
            raise BadInput(f"retry_on: {backoff!r} is not a jobreg.Backoff.")
    return MappingProxyType(dict(value))


def _give_up(value: object) -> tuple[type[Exception], ...]:
    return _exceptions(value, "give_up_on")


def _isolation(value: object) -> str:
    if value not in ISOLATIONS:
        raise BadInput(f"isolation: {brief(value)!r} is none of {', '.join(ISOLATIONS)}.")
    return str(value)


ISOLATIONS = ("warm", "fresh")
"""A child that is used again, or a process of its own for every run."""


def _engine(value: object) -> str | None:
    if value is not None and value not in ENGINES:
        raise BadInput(f"engine: {brief(value)!r} is none of {', '.join(ENGINES)}.")
    return None if value is None else str(value)


ENGINES = ("processes", "threads", "asyncio")
"""One run at a time in a child, or many in one: each in a thread, or all on one event loop."""


def _max_age(value: Duration | None) -> float | None:
    return limit(value, "max_age")


def _unique(value: object) -> tuple[str, ...] | None:
    if value is None or value is False:
        return None
    if value is True or value == ():  # which is what True was made to
        return ()
    names = (value,) if isinstance(value, str) else value
    if isinstance(names, Sequence):
        known = tuple(each for each in names if isinstance(each, str) and each.isidentifier())
        if len(known) == len(names) > 0:
            return known
    raise BadInput(
        f"unique: {brief(value)!r} is neither True (all parameters) nor names of parameters."
    )


def _redact(value: object) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if isinstance(names, Iterable):
        found = tuple(names)
        if all(isinstance(each, str) and each.isidentifier() for each in found):
            return found
    raise BadInput(f"redact: {brief(value)!r} is not a name of a parameter, or several.")


_BOUNDS = {
    "timeout": LONGEST, "max_age": LONGEST, "max_attempts": _MOST, "max_crashes": _MOST,
}  # fmt: skip


def _nearest(name: str, value: object) -> float | None:
    bound = _BOUNDS[name]
    if not isinstance(value, int | float) or not value > 0:
        return None
    return type(bound)(min(value, bound)) or None


@frozen(kw_only=True)
class JobOptions:
    """The options of one job, checked. None leaves queue and priority to their defaults.

    ``unique`` names the parameters that make the unique key of a run, none of them standing for
    all; None makes no key. ``redact`` names those that are not shown. ``engine`` is None until
    the function was looked at: see :func:`engine_of`.
    """

    name: str | None = None
    queue: str | None = field(default=None)
    priority: int | None = field(default=None)
    timeout: float | None = field(default=None, converter=limit)
    max_attempts: int = field(default=1)
    max_crashes: int = field(default=3)
    backoff: Backoff = field(factory=Backoff)
    retry_on: Errors | Mapping[type[Exception], Backoff | None] = field(
        default=(), converter=_retry_on
    )
    give_up_on: Errors = field(default=(), converter=_give_up)
    max_age: float | None = field(default=None, converter=_max_age)
    isolation: str = field(default="warm", converter=_isolation)
    engine: str | None = field(default=None, converter=_engine)
    concurrency: int | None = field(default=None)
    unique: tuple[str, ...] | None = field(default=None, converter=_unique)
    redact: tuple[str, ...] = field(default=(), converter=_redact)

    def __attrs_post_init__(self) -> None:
        if self.queue is not None:
            queue_name(self.queue)
        if self.priority is not None:
            priority_number(self.priority)
        if self.concurrency is not None:
            count(self.concurrency, "concurrency")
        count(self.max_attempts, "max_attempts")
        count(self.max_crashes, "max_crashes")
        if not isinstance(self.backoff, Backoff):
            raise BadInput(
                f"backoff: {self.backoff!r} is not a jobreg.Backoff. "
                'Write one, such as jobreg.Backoff(first="1s").'
            )

    @classmethod
    def of(cls, **options: Any) -> JobOptions:
        """Make options from what ``@job`` was given; an unknown option is refused by name."""
        unknown = options.keys() - cls.__annotations__.keys()
        if unknown:
            raise BadInput(f"@job has no option {', '.join(sorted(unknown))}.")
        if options.get("backoff", ...) is None:
            del options["backoff"]
        if options.get("unique") == ():
            raise BadInput("unique: () names no parameter. Write True for all of them.")
        return cls(**options)

    @property
    def at_most_once(self) -> bool:
        """True where a run may be started once and never again."""
        return self.max_attempts == 1 and self.max_crashes == 1

    @property
    def runs_in(self) -> str:
        """The engine its runs go to: a process of their own stands before what ``engine`` says."""
        return "processes" if self.isolation == "fresh" else self.engine or "processes"

    def override(self, **asked: Any) -> JobOptions:
        """Let what a submitter asked for (where not None) stand before what the job says."""
        given = {key: value for key, value in asked.items() if value is not None}
        return evolve(self, **given) if given else self

    def override_within_bounds(self, **asked: Any) -> JobOptions:
        """Do what :meth:`override` does, for what is stored: it is too late to refuse anything.

        What is over its bound counts as the bound; what is no number above 0, as not asked for.
        """
        try:
            return self.override(**asked)
        except BadInput:
            return self.override(**{name: _nearest(name, value) for name, value in asked.items()})

    def to_wire(self) -> dict[str, Any]:
        """As JSON for the supervisor; exception classes stay in the child that has them."""
        # What the release before does not know is told only of jobs that need it.
        added: dict[str, Any] = {}
        if self.unique is not None:
            added["unique"] = list(self.unique) or True
        if self.backoff.kind != "exponential" or not self.backoff.jitter:
            added["backoff_kind"] = [self.backoff.kind, self.backoff.jitter]
        if self.max_age is not None:
            added["max_age"] = self.max_age
        if self.isolation != "warm":
            added["isolation"] = self.isolation
        if self.engine not in (None, "processes"):
            added["engine"] = self.engine
        if self.redact:
            added["redact"] = list(self.redact)
        return added | {
            "queue": self.queue,
            "priority": self.priority,
            "timeout": self.timeout,
            "max_attempts": self.max_attempts,
            "max_crashes": self.max_crashes,
            "backoff": [self.backoff.first, self.backoff.factor, self.backoff.longest],
            "concurrency": self.concurrency,
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> JobOptions:
        """The inverse of :meth:`to_wire`; options of later releases are left out."""
        known = {name: value for name, value in wire.items() if name in cls.__annotations__}
        kind, jitter = wire.get("backoff_kind", ("exponential", True))
        return cls(**{**known, "backoff": Backoff(*wire["backoff"], kind=kind, jitter=jitter)})

    def follows_from(self, error: BaseException) -> tuple[bool, Backoff | None]:
        """Is what a job raised worth another try, and has it a backoff of its own?

        Of the classes in ``retry_on`` and ``give_up_on`` the one closest to the error's own
        counts; where it is in both, and where none is named that fits, see ``retry_on``: an empty
        one retries all.
        """
        waits = self.retry_on if isinstance(self.retry_on, Mapping) else {}
        for kind in type(error).__mro__:
            if kind in self.retry_on:
                return True, waits.get(kind)
            if kind in self.give_up_on:
                return False, None
        return not self.retry_on, None


DEFAULTS = JobOptions()
"""What holds for a job that says nothing. Shared, because to check options anew costs more than
a short run."""


def options_of(function: object) -> JobOptions:
    """The options ``@job`` left on a function; the defaults for an undecorated one."""
    marked = getattr(function, MARK, None)
    return marked if isinstance(marked, JobOptions) else DEFAULTS


def engine_of(function: object) -> str:
    """The engine of a function's runs: what ``@job`` says; ``asyncio`` for an ``async def``."""
    return options_of(function).engine or ("asyncio" if awaits(function) else "processes")


def awaits(function: object) -> bool:
    """Is it written ``async def``?"""
    from inspect import iscoroutinefunction  # late: who only decorates need not pay for it

    return iscoroutinefunction(function)
