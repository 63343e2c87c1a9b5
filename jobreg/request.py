"""What may be asked for: the arguments of a submit, checked, become a record."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict, get_args
from uuid import UUID

from . import codec
from .errors import BadInput
from .legible import brief
from .lifecycle import LEVELS, RunRecord, State
from .options import Duration, count, limit, priority_number, queue_name, seconds

MAX_TAGS = 20
MAX_TAG = 100
MAX_KEY = 256
MOST_TOLD = 20
UniquePolicy = Literal["return", "replace", "reject"]
"""What a submit does where an unfinished run of the job has its unique key."""
POLICIES: tuple[UniquePolicy, ...] = get_args(UniquePolicy)


class SubmitOptions(TypedDict, total=False):
    """What may be said of a run besides its job and parameters; see :func:`jobreg.submit`."""

    delay: Duration | None
    at: datetime | None
    queue: str | None
    priority: int | None
    timeout: Duration | None
    max_attempts: int | None
    max_crashes: int | None
    max_age: Duration | None
    run_id: str | UUID | None
    tags: Iterable[str]
    unique_key: str | None
    unique_policy: UniquePolicy


# Bytes of chance for each id; the two highest bits of one digit say how they are arranged.
_NOISE = 10
_VARIANT = {f"{digit:x}": f"{8 + digit % 4:x}" for digit in range(16)}
# The system takes longer to answer than to give more.
_AHEAD = 64
_ends: list[str] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ends.clear)  # else both would use them
_OPTIONS = frozenset(SubmitOptions.__annotations__)


def make_request(
    job_name: object,
    params: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    max_params: int,
    ids: Iterator[str] | None = None,
) -> RunRecord:
    """Check what was asked and make it a record; nothing is stored.

    ``options`` are those of ``submit``, None standing for "not said"; ``max_params`` is in bytes;
    of ``ids`` the next is taken where the submitter gives none.

    Raises:
        BadInput: a value cannot be used.
    """
    if not options and isinstance(job_name, str):
        # As most are: what is not said needs no check.
        text = codec.encode_params(params, max_params)
        return RunRecord(_next_id(ids), job_name, text)
    unknown = options.keys() - _OPTIONS
    if unknown:
        raise BadInput(
            f"submit has no option {', '.join(sorted(unknown))}. "
            f"It has: {', '.join(sorted(_OPTIONS))}."
        )
    if not isinstance(job_name, str):
        raise BadInput(f"job_name: {brief(job_name)!r} is not the name of a job.")
    asked = {key: value for key, value in options.items() if value is not None}
    if "delay" in asked and "at" in asked:
        raise BadInput("Give delay or at, not both.")
    given = asked.get("run_id")
    return RunRecord(
        run_id=_next_id(ids) if given is None else checked_run_id(given),
        job_name=job_name,
        params=codec.encode_params(params, max_params),
        queue=queue_name(asked["queue"]) if "queue" in asked else None,
        priority=priority_number(asked["priority"]) if "priority" in asked else None,
        timeout=limit(asked.get("timeout")),
        max_attempts=_count(asked, "max_attempts"),
        max_crashes=_count(asked, "max_crashes"),
        max_age=limit(asked.get("max_age"), "max_age"),
        tags=checked_tags(asked.get("tags", ())),
        delay=seconds(asked.get("delay", 0), "delay"),
        unique_key=checked_key(asked["unique_key"]) if "unique_key" in asked else None,
        unique_policy=_policy(asked.get("unique_policy", "return")),
        scheduled_at=checked_moment(asked.get("at"), "at"),
    )


def one_of_many(index: int, each: object, max_params: int, ids: Iterator[str]) -> RunRecord:
    """Check one of many: a pair (job_name, params), or a mapping with submit's options too.

    Raises:
        BadInput: it cannot be used; the message says which one it is.
    """
    try:
        if isinstance(each, tuple | list) and len(each) == 2:
            return make_request(each[0], each[1], {}, max_params, ids)
        if isinstance(each, Mapping):
            asked = {str(key): value for key, value in each.items()}
            name, params = asked.pop("job_name", None), asked.pop("params", None)
            return make_request(name, params, asked, max_params, ids)
    except BadInput as error:
        raise type(error)(f"run {index}: {error}") from error
    raise BadInput(
        f"run {index}: give a pair (job_name, params) or a mapping with job_name, params and "
        "submit's options."
    )


def names_of_many(runs: Iterable[object]) -> set[str] | None:
    """The job names of many, as they stand there.

    None where there is something that is none, or that may be there only once: then it is for
    :func:`one_of_many` to look at it, and once.
    """
    names = set()
    for each in runs:
        if isinstance(each, tuple | list) and len(each) == 2:
            name = each[0]
        elif isinstance(each, dict) and isinstance(each.get("tags"), tuple | list | None):
            name = each.get("job_name")
        else:
            return None
        if not isinstance(name, str):
            return None
        names.add(name)
    return names


def listed(runs: Iterable[object]) -> list[object]:
    """What is asked for. Raises BadInput where it is no list of runs."""
    if not isinstance(runs, Iterable):
        raise BadInput(f"runs: a {type(runs).__name__} is not a list of runs to submit.")
    return list(runs)


def many_requests(runs: Iterable[object], max_params: int) -> list[RunRecord]:
    """Check many, each as :func:`one_of_many`.

    Raises:
        BadInput: some cannot be used; the message tells of the first 20 what is wrong.
    """
    records, wrong, ids = [], [], new_run_ids()
    for index, each in enumerate(runs):
        try:
            records.append(one_of_many(index, each, max_params, ids))
        except BadInput as error:
            wrong.append(error)
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        more = f" And {len(wrong) - MOST_TOLD} more." if len(wrong) > MOST_TOLD else ""
        told = " ".join(map(str, wrong[:MOST_TOLD]))
        raise BadInput(f"{len(wrong)} runs cannot be used. {told}{more}") from wrong[0]
    return records


def new_run_id() -> str:
    """A UUID of version 7 (RFC 9562, section 5.7): ids made later sort later."""
    return _moment() + _chance()


def _next_id(ids: Iterator[str] | None) -> str:
    return new_run_id() if ids is None else next(ids)


def new_run_ids(at_once: int = 100) -> Iterator[str]:
    """Run ids without end; what time it is, is asked for so many at once."""
    while True:
        moment = _moment()
        for _ in range(at_once):
            yield moment + _chance()


def _moment() -> str:
    """How the ids of this millisecond begin."""
    when = f"{time.time_ns() // 1_000_000:012x}"
    return f"{when[:8]}-{when[8:]}-7"


def _chance() -> str:
    """How one id ends; many are made in advance."""
    while True:
        try:
            return _ends.pop()
        except IndexError:
            noise = os.urandom(_NOISE * _AHEAD).hex()
            size = 2 * _NOISE
            _ends.extend(_end(noise[at : at + size]) for at in range(0, len(noise), size))


def _end(noise: str) -> str:
    return f"{noise[:3]}-{_VARIANT[noise[3]]}{noise[4:7]}-{noise[7:19]}"


def checked_run_id(value: object, nor: str = "") -> str:
    """A run id in its one spelling. Raises BadInput where it is no UUID, ``nor`` what else fits."""
    try:
        return str(value if isinstance(value, UUID) else UUID(str(value)))
    except ValueError:
        raise BadInput(
            f"run id: {brief(value)!r} is not a UUID{nor and f', {nor}'}. See: jobreg runs list"
        ) from None


def spread_id(digits: str, filler: str) -> str:
    """The first (filler 0) or last (f) run id that begins with these hexadecimal digits."""
    whole = digits.ljust(32, filler)
    return "-".join((whole[:8], whole[8:12], whole[12:16], whole[16:20], whole[20:]))


def checked_name(value: object) -> str | None:
    """A job name to look for. Raises BadInput where it cannot be the name of anything."""
    if value is not None and (not isinstance(value, str) or not value.isprintable()):
        raise BadInput(f"job_name: {brief(value)!r} is not the name of a job.")
    return value


def checked_state(value: object) -> State | None:
    """A state by name. Raises BadInput where there is no such state."""
    try:
        return None if value is None else State(str(value))
    except ValueError:
        raise BadInput(f"state: {brief(value)!r} is none of {', '.join(State)}.") from None


def checked_level(value: object) -> int:
    """The number of a logging level given by name; 0 for None. Raises BadInput for no such name."""
    name = "" if value is None else str(value)
    if value is not None and name.upper() not in LEVELS:
        known = ", ".join(each.lower() for each in LEVELS)
        raise BadInput(f"level: {name[:80]!r} is none of {known}.")
    return LEVELS.get(name.upper(), 0)


def told_key(key: str) -> str:
    """A unique key as errors tell it: of one made of parameters nothing, for some may be hidden.

    Example:
        >>> told_key("order 9"), told_key('{"password":"s3cret"}')
        ("'order 9'", 'made of its parameters')
    """
    return "made of its parameters" if key.startswith(("{", "sha256:")) else repr(key)


def checked_key(value: object) -> str:
    """A unique key. Raises BadInput where databases might not keep it apart from another."""
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= MAX_KEY
        or not value.isprintable()
        or value != value.strip()
    ):
        raise BadInput(
            f"unique_key: {brief(value)!r} is not a printable text of 1 to {MAX_KEY} "
            "characters that neither begins nor ends with a space."
        )
    return value


def _policy(value: object) -> str:
    if value not in POLICIES:
        raise BadInput(f"unique_policy: {brief(value)!r} is none of {', '.join(POLICIES)}.")
    return str(value)


def _count(asked: Mapping[str, Any], name: str) -> int | None:
    return count(asked[name], name) if name in asked else None


def checked_tags(tags: object) -> tuple[str, ...]:
    """Tags as they are kept. Raises BadInput where they are not a list of short texts."""
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise BadInput(f"tags: {brief(tags)!r} is not a list of short texts.")
    checked = tuple(tags)
    for tag in checked:
        if not isinstance(tag, str) or not 0 < len(tag) <= MAX_TAG or not tag.isprintable():
            raise BadInput(
                f"tags: {brief(tag)!r} is not a printable text of 1 to {MAX_TAG} characters."
            )
    if len(checked) > MAX_TAGS:
        raise BadInput(f"tags: {len(checked)} are too many; at most {MAX_TAGS}.")
    return checked


def checked_moment(at: object, what: str) -> datetime | None:
    """A moment in UTC. Raises BadInput where it is no datetime with a time zone."""
    if at is None:
        return None
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise BadInput(
            f"{what}: {brief(at)!r} is not a datetime with a time zone, "
            "such as datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)."
        )
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise BadInput(f"{what}: {at} is outside the years 1 to 9999 in UTC.") from None
