"""Which runs are meant: the filters of ``find``, checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypedDict, cast

from attrs import frozen

from . import codec
from .errors import BadInput
from .legible import brief
from .lifecycle import Reason, RunRecord, State
from .options import Duration, queue_name, seconds
from .registry.entry_points import normalise
from .request import checked_key, checked_moment, checked_name, checked_state, checked_tags

LONGEST_TEXT = 256
_MOST_NAMES = 50
# Of eight digits alone are the dates of ISO 8601, as 20260131; fewer or more say how long ago.
_AGO = re.compile(r"\d+(\.\d+)?\s*[smhd]|(?!\d{8}$)\d+(\.\d+)?")
_TIME = re.compile(r"\d{4}-?\d\d")


@frozen(kw_only=True)
class Selection:
    """What runs must be to be found; None and empty ask for nothing.

    ``aliases`` are other names of the same job; ``since`` (inclusive) and ``until`` (exclusive)
    bound the time of the submit; ``params`` are pairs of a path and the value that stands there.
    """

    job_name: str | None = None
    aliases: tuple[str, ...] = ()
    state: State | None = None
    reason: Reason | None = None
    queue: str | None = None
    dist: str | None = None
    version: str | None = None
    unique_key: str | None = None
    tags: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    params: tuple[tuple[tuple[str, ...], Any], ...] = ()

    @property
    def names(self) -> tuple[str | None, ...]:
        """Each name that is looked for; one None where none is."""
        return tuple(dict.fromkeys((self.job_name, *self.aliases)))

    @property
    def reads_values(self) -> bool:
        """Must each run be looked at, beyond what an index or a comparison tells?"""
        return bool(self.tags or self.params)

    def takes(self, run: RunRecord) -> bool:
        """Does a run have this very name, and these tags and parameter values?"""
        # MySQL finds 'a' by 'a ' too.
        if self.job_name is not None and run.job_name not in (self.job_name, *self.aliases):
            return False
        if not set(self.tags) <= set(run.tags):
            return False
        if not self.params:
            return True
        params = codec.decode(run.params)
        return all(codec.same(_at(params, path), value) for path, value in self.params)


_NOTHING = object()


def _at(value: Any, path: Iterable[str]) -> Any:
    for step in path:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and _is_index(step, value):
            value = value[int(step)]
        else:
            return _NOTHING
    return value


def _is_index(step: str, value: list[Any]) -> bool:
    return step.isdecimal() and len(step) < 10 and int(step) < len(value)


class Filters(TypedDict, total=False):
    """What :func:`jobreg.find` may be asked for."""

    job_name: str | None
    state: State | str | None
    reason: Reason | str | None
    queue: str | None
    provider: str | None
    version: str | None
    unique_key: str | None
    tags: Iterable[str] | None
    since: datetime | Duration | None
    until: datetime | Duration | None
    params: Mapping[str, Any] | None


def select_runs(asked: Mapping[str, Any], now: Callable[[], datetime]) -> Selection:
    """Check the filters of ``find``; ``now`` is asked where a time is given as a duration.

    Raises:
        BadInput: one cannot be used; the message says which, and what can.
    """
    unknown = asked.keys() - Filters.__annotations__.keys()
    if unknown:
        raise BadInput(
            f"find has no filter {', '.join(sorted(unknown))}. "
            f"It has: {', '.join(sorted(Filters.__annotations__))}."
        )
    provider = _text(asked.get("provider"), "provider")
    queue = asked.get("queue")
    wanted = Selection(
        job_name=checked_name(asked.get("job_name")),
        state=checked_state(asked.get("state")),
        reason=_reason(asked.get("reason")),
        queue=None if queue is None else queue_name(queue),
        dist=None if provider is None else normalise(provider),
        version=_text(asked.get("version"), "version"),
        unique_key=None if asked.get("unique_key") is None else checked_key(asked["unique_key"]),
        tags=checked_tags(asked.get("tags") or ()),
        since=_moment(asked.get("since"), "since", now),
        until=_moment(asked.get("until"), "until", now),
        params=_params(asked.get("params")),
    )
    if wanted.params and wanted.job_name is None and wanted.since is None:
        raise BadInput(
            "params: give job_name or since too; without either every run there is would be read."
        )
    if wanted.since and wanted.until and wanted.until <= wanted.since:
        raise BadInput(
            f"until: {wanted.until.isoformat()} is not after since: {wanted.since.isoformat()}."
        )
    return wanted


def time_or_ago(given: object, read: Callable[[str], datetime]) -> object:
    """What ``since`` or ``until`` was given as: a time as ``read`` takes it, else as it is.

    Example:
        >>> [time_or_ago(each, datetime.fromisoformat) for each in ("604800s", "172800", "2h")]
        ['604800s', '172800', '2h']
        >>> time_or_ago("20260131", datetime.fromisoformat)
        datetime.datetime(2026, 1, 31, 0, 0)
    """
    if not isinstance(given, str) or _AGO.fullmatch(given.strip()):
        return given
    return read(given) if _TIME.match(given) else given


def _moment(value: object, what: str, now: Callable[[], datetime]) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return checked_moment(value, what)
    try:
        ago = timedelta(seconds=seconds(cast(Duration, value), what))
    except BadInput:
        raise BadInput(
            f"{what}: {brief(value)!r} is no moment. Give a datetime with a time zone, or how "
            'long ago: seconds, or "90s", "5m", "2h", "1d".'
        ) from None
    return now() - ago


def _reason(value: object) -> Reason | None:
    try:
        return None if value is None else Reason(str(value))
    except ValueError:
        raise BadInput(f"reason: {brief(value)!r} is none of {', '.join(Reason)}.") from None


def _text(value: object, what: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT or not value.isprintable():
        raise BadInput(
            f"{what}: {brief(value)!r} is not a printable text of 1 to {LONGEST_TEXT} characters."
        )
    return value


def _params(value: object) -> tuple[tuple[tuple[str, ...], Any], ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise BadInput(f"params: {brief(value)!r} is not a mapping of paths to values.")
    from .signature.encoding import NotPlain, plain

    found = []
    for path, wanted in value.items():
        if not isinstance(path, str) or not path:
            raise BadInput(f"params: {brief(path)!r} is not the name of a parameter.")
        try:
            value = plain(wanted, path[:80])
        except NotPlain as error:
            raise BadInput(f"params: {path[:80]}: no JSON value ({error}).") from None
        found.append((tuple(path.split(".")), value))
    return tuple(found)


def names_like(pattern: str, known: Iterable[str]) -> list[str]:
    """Of the known names those that begin as ``reports.*`` says; where there is none, the pattern.

    Raises:
        BadInput: more than 50 begin so.
    """
    names = sorted(name for name in known if name.startswith(pattern[:-1]))
    if len(names) > _MOST_NAMES:
        raise BadInput(
            f"job_name: {len(names)} jobs begin as {pattern!r}, such as {names[0]!r}; at most "
            f"{_MOST_NAMES} are looked for at a time. Give more of the name."
        )
    return names or [pattern]
